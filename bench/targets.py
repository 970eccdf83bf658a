"""Targets: named ways to get a mounted file system to measure.

A target has setup() / mount() / umount() / destroy(), a mount point `mp`,
the pids of its mount process(es) and of the servers behind it.
Everything lives under one scratch folder and listens on 127.0.0.1 only.
"""
import json, os, shutil, signal, socket, subprocess, tempfile, time

SCRATCH = os.environ.get("BENCH_DIR", "/dev/shm/jfs-bench")
NICE = int(os.environ.get("BENCH_NICE", "-12"))
TCK = os.sysconf("SC_CLK_TCK")
ACCESS, SECRET = "benchaccess", "benchsecret"


def binary(env, default):
    path = os.environ.get(env) or shutil.which(default)
    if not path:
        raise SystemExit(f"{default}: not on PATH; set {env}")
    return path


def set_nice(pid):
    """Same nice level for all threads, and for the scheduler's autogroup
    (with autogroups on, nice only counts inside one login session)."""
    for t in os.listdir(f"/proc/{pid}/task"):
        os.setpriority(os.PRIO_PROCESS, int(t), NICE)
    try:
        with open(f"/proc/{pid}/autogroup", "w") as f:
            f.write(str(NICE))
    except OSError:
        pass


def sh(*cmd, **kw):
    with tempfile.TemporaryFile("w+") as f:     # not a pipe: a daemon may keep it open
        rc = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=f, stderr=f, **kw).returncode
        f.seek(0)
        out = f.read()
    if rc:
        raise RuntimeError(f"{' '.join(cmd)} -> {rc}\n{out[-2000:]}")
    return out


def wait_port(port, limit=30):
    end = time.time() + limit
    while time.time() < end:
        with socket.socket() as s:
            s.settimeout(1)
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"port {port} did not open")


def proc_cpu(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            rest = f.read().rsplit(")", 1)[1].split()
        return (int(rest[11]) + int(rest[12])) / TCK
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def proc_mem(pid, key="VmHWM"):
    try:
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0.0


def proc_switches(pid):
    """Context switches of all living threads, voluntary or not."""
    n = 0
    try:
        for t in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{t}/status") as f:
                    n += sum(int(line.split()[1]) for line in f if "ctxt_switches:" in line)
            except OSError:
                pass
    except OSError:
        pass
    return n


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids_with_env(name, value):
    """Processes started with name=value in their environment (a command line
    is no mark: some daemons rewrite or cut theirs)."""
    out = []
    for p in os.listdir("/proc"):
        if p.isdigit() and int(p) != os.getpid():
            try:
                with open(f"/proc/{p}/environ", "rb") as f:
                    if f"{name}={value}".encode() in f.read().split(b"\0"):
                        out.append(int(p))
            except OSError:
                pass
    return out


class Service:
    """A server process shared or owned by targets; ended by its own pid."""
    def __init__(self, name, cmd, port, d):
        os.makedirs(d, exist_ok=True)
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                raise RuntimeError(f"port {port} is in use: another run of this benchmark?")
        self.name, self.dir = name, d
        log = open(os.path.join(d, "log"), "ab")
        self.p = subprocess.Popen(cmd, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=d)
        self.pid, self.users = self.p.pid, 0
        wait_port(port)

    def stop(self):
        self.p.terminate()
        try:
            self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Redis(Service):
    def __init__(self, port, d):
        self.port = port
        super().__init__("redis", [binary("REDIS_BIN", "redis-server"), "--port", str(port), "--bind", "127.0.0.1",
                                   "--dir", d, "--save", "", "--appendonly", "yes",
                                   "--appendfsync", "everysec", "--daemonize", "no"], port, d)

    def commands(self):
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            s.sendall(b"INFO commandstats\r\n")
            f = s.makefile("rb")
            body = f.read(int(f.readline()[1:])).decode()
        out = {}
        for line in body.splitlines():
            if line.startswith("cmdstat_"):
                k, v = line[8:].split(":")
                out[k] = int(v.split("calls=")[1].split(",")[0])
        return out


_weed = None


def weed():
    """One SeaweedFS server (S3 endpoint) shared by the S3 targets of a run."""
    global _weed
    if _weed is None:
        d = os.path.join(SCRATCH, "weed")
        os.makedirs(d, exist_ok=True)
        conf = os.path.join(d, "s3.json")
        with open(conf, "w") as f:
            json.dump({"identities": [{"name": "b", "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}],
                                       "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}, f)
        _weed = Service("weed", [binary("WEED_BIN", "weed"), "server", "-dir", d, "-ip", "127.0.0.1",
                                 "-ip.bind", "127.0.0.1", "-master.port", "19333", "-volume.port", "19340",
                                 "-filer", "-filer.port", "19888", "-s3", "-s3.port", "18333", "-s3.config", conf,
                                 "-s3.port.iceberg", "0", "-s3.port.lance", "0", "-master.telemetry=false",
                                 "-volume.max", "200", "-master.volumeSizeLimitMB", "2048",
                                 "-volume.preStopSeconds", "0"], 18333, d)
        _weed.port = 18333
        time.sleep(3)
    _weed.users += 1
    return _weed


def weed_release():
    global _weed
    _weed.users -= 1
    if _weed.users == 0:
        _weed.stop()
        _weed = None


class Target:
    settle = 0          # seconds to wait after a group (write-back delay)
    redis = None

    def __init__(self, name):
        self.name = name
        self.base = os.path.join(SCRATCH, name)
        self.mp = os.path.join(self.base, "mnt")
        self.cache = os.path.join(self.base, "cache")
        self.services, self.pids = [], []

    def setup(self):
        shutil.rmtree(self.base, ignore_errors=True)
        for d in (self.mp, self.cache):
            os.makedirs(d)
        self.prepare()

    def prepare(self):
        pass

    def mount_cmd(self):
        return None

    def mount(self):
        cmd = self.mount_cmd()
        if not cmd:
            return
        sh(*cmd, env={**os.environ, **self.env(), "JFS_BENCH_MOUNT": self.mp})
        end = time.time() + 30
        while not os.path.ismount(self.mp):
            if time.time() > end:
                raise RuntimeError(f"{self.name}: not mounted after 30 s")
            time.sleep(0.05)
        self.pids = pids_with_env("JFS_BENCH_MOUNT", self.mp)
        if not self.pids:
            raise RuntimeError(f"{self.name}: no process found that serves the mount")
        # JuiceFS gives itself nice -19; on a shared machine that alone decides a
        # comparison, so every target's mount process gets the same level.
        for p in self.pids:
            set_nice(p)

    def env(self):
        return {}

    def umount(self):
        if not os.path.ismount(self.mp):
            return
        for i in range(40):
            if subprocess.run(["umount", self.mp], capture_output=True).returncode == 0:
                break
            time.sleep(0.5)
        start, sent = time.time(), 0
        while any(alive(p) for p in self.pids):
            if time.time() - start > (10, 15, 1e9)[sent]:
                print(f"{self.name}: mount process still there after umount, signalled", flush=True)
                for p in self.pids:
                    if alive(p):
                        os.kill(p, (signal.SIGTERM, signal.SIGKILL)[sent])
                sent += 1
            time.sleep(0.02)
        self.pids = []

    def drop_client_cache(self):
        """Only while unmounted."""
        shutil.rmtree(self.cache, ignore_errors=True)
        os.makedirs(self.cache, exist_ok=True)

    def remount(self, wipe=False):
        self.umount()
        if wipe:
            self.drop_client_cache()
        self.mount()

    def destroy(self):
        self.umount()
        for s in self.services:
            weed_release() if s.name == "weed" else s.stop()
        self.services = []
        if not os.path.ismount(self.mp):
            shutil.rmtree(self.base, ignore_errors=True)

    def cpu(self):
        return sum(proc_cpu(p) for p in self.pids)

    def switches(self):
        return sum(proc_switches(p) for p in self.pids)

    def srv_cpu(self):
        return sum(proc_cpu(s.pid) for s in self.services)

    def reset_peak(self):
        for p in self.pids:
            try:
                with open(f"/proc/{p}/clear_refs", "w") as f:
                    f.write("5")
            except OSError:
                pass

    def peak_rss(self):
        return max([proc_mem(p) for p in self.pids] or [0.0])

    def stats(self):
        """JuiceFS-style .stats counters, {} where there are none."""
        out = {}
        try:
            with open(os.path.join(self.mp, ".stats")) as f:
                for line in f:
                    k, _, v = line.rpartition(" ")
                    try:
                        out[k] = float(v)
                    except ValueError:
                        pass
        except OSError:
            pass
        return out


class Local(Target):
    pass


class Bindfs(Target):
    def prepare(self):
        self.src = os.path.join(self.base, "src")
        os.makedirs(self.src)

    def mount_cmd(self):
        return [binary("BINDFS_BIN", "bindfs"), "--multithreaded", self.src, self.mp]


class Passthrough(Target):
    """libfuse's example/passthrough_hp: the least a FUSE daemon can do."""
    def __init__(self, name, *opts):
        super().__init__(name)
        self.opts = opts

    def prepare(self):
        self.src = os.path.join(self.base, "src")
        os.makedirs(self.src)

    def mount_cmd(self):
        return [binary("PASSTHROUGH_BIN", "passthrough_hp"), *self.opts, self.src, self.mp]


class PassthroughLl(Passthrough):
    """libfuse's example/passthrough_ll, which Debian ships as source: the FUSE limit where passthrough_hp is not at hand."""
    def mount_cmd(self):
        return [binary("PASSTHROUGH_LL_BIN", "passthrough_ll"), "-o", f"source={self.src},cache=always,timeout=86400,clone_fd,fsname=pt", self.mp]


class JuiceFS(Target):
    """JuiceFS, or any binary with the same command line."""
    def __init__(self, name, bin_env, bin_default, meta, storage, port):
        super().__init__(name)
        self.bin, self.meta_kind, self.storage, self.port = (bin_env, bin_default), meta, storage, port

    def exe(self):
        return binary(*self.bin)

    def prepare(self):
        if self.meta_kind == "redis":
            self.redis = Redis(self.port, os.path.join(self.base, "redis"))
            self.services.append(self.redis)
            self.url = f"redis://127.0.0.1:{self.port}/1"
        else:
            self.url = f"sqlite3://{self.base}/meta.db"
        vol = self.name.replace("_", "-")
        if self.storage == "s3":
            w = weed()
            self.services.append(w)
            st = ["--storage", "s3", "--bucket", f"http://127.0.0.1:{w.port}/{vol}",
                  "--access-key", ACCESS, "--secret-key", SECRET]
        else:
            st = ["--storage", "file", "--bucket", os.path.join(self.base, "obj") + "/"]
        # trash off, as the project's own benchmark documents advise
        sh(self.exe(), "format", *st, "--trash-days", "0", self.url, vol)

    def mount_cmd(self):
        extra = os.environ.get("JUICEFS_MOUNT_OPTS", "").split()
        return [self.exe(), "mount", "-d", "--no-usage-report", "--backup-meta", "0", "--cache-dir", self.cache,
                "--log", os.path.join(self.base, "mount.log"), *extra, self.url, self.mp]


class Rclone(Target):
    settle = 7          # the VFS cache uploads 5 s after close

    def prepare(self):
        self.services.append(weed())
        self.conf = os.path.join(self.base, "rclone.conf")
        with open(self.conf, "w") as f:
            f.write(f"[w]\ntype = s3\nprovider = Other\naccess_key_id = {ACCESS}\nsecret_access_key = {SECRET}\n"
                    "endpoint = http://127.0.0.1:18333\nforce_path_style = true\n")
        self.exe = binary("RCLONE_BIN", "rclone")
        sh(self.exe, "--config", self.conf, "mkdir", "w:rclone-bench")

    def mount_cmd(self):
        return [self.exe, "--config", self.conf, "mount", "w:rclone-bench", self.mp, "--daemon",
                "--vfs-cache-mode", "full", "--cache-dir", self.cache, "--log-file", os.path.join(self.base, "log")]


class S3fs(Target):
    def prepare(self):
        self.services.append(weed())
        self.pw = os.path.join(self.base, "pw")
        with open(self.pw, "w") as f:
            f.write(f"{ACCESS}:{SECRET}\n")
        os.chmod(self.pw, 0o600)
        conf = os.path.join(self.base, "rclone.conf")
        with open(conf, "w") as f:
            f.write(f"[w]\ntype = s3\nprovider = Other\naccess_key_id = {ACCESS}\nsecret_access_key = {SECRET}\n"
                    "endpoint = http://127.0.0.1:18333\nforce_path_style = true\n")
        sh(binary("RCLONE_BIN", "rclone"), "--config", conf, "mkdir", "w:s3fs-bench")

    def mount_cmd(self):
        return [binary("S3FS_BIN", "s3fs"), "s3fs-bench", self.mp, "-o", f"passwd_file={self.pw}",
                "-o", "url=http://127.0.0.1:18333", "-o", "use_path_request_style",
                "-o", f"use_cache={self.cache}", "-o", "ensure_diskfree=1024"]


def make(name):
    if name == "local":
        return Local(name)
    if name == "bindfs":
        return Bindfs(name)
    if name == "passthrough":
        return Passthrough(name, "--nopassthrough")
    if name == "passthrough-ll":
        return PassthroughLl(name)
    if name == "passthrough-kernel":        # reads and writes never reach the daemon
        return Passthrough(name)
    if name == "passthrough-uring":         # needs /sys/module/fuse/parameters/enable_uring = Y
        return Passthrough(name, "--nopassthrough", "-o", "io_uring")
    if name == "rclone":
        return Rclone(name)
    if name == "s3fs":
        return S3fs(name)
    clients = {"juicefs": ("JUICEFS_BIN", 16400), "jfs": ("JFS_BIN", 16410), "base": ("BASE_BIN", 16420)}
    kinds = {"sqlite-file": ("sqlite", "file", 0), "redis-file": ("redis", "file", 1), "redis-s3": ("redis", "s3", 2)}
    who, _, kind = name.partition("-")
    if who not in clients or kind not in kinds:
        raise SystemExit(f"unknown target {name}; known: {', '.join(NAMES)}")
    (meta, storage, n), (variable, port) = kinds[kind], clients[who]
    return JuiceFS(name, variable, who, meta, storage, port + n)


NAMES = ["local", "passthrough", "passthrough-ll", "passthrough-kernel", "passthrough-uring", "bindfs", "juicefs-sqlite-file", "juicefs-redis-file", "juicefs-redis-s3",
         "base-sqlite-file", "base-redis-file", "base-redis-s3", "jfs-sqlite-file", "jfs-redis-file", "jfs-redis-s3", "rclone", "s3fs"]
