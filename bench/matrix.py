#!/usr/bin/env python3
"""Options matrix: one file written and read back under each format and mount option, two clients in turn.

  matrix.py                                 jfs beside juicefs
  matrix.py -c base,jfs --mib 64 --only cache

Started by `cargo xtask bench matrix`, which finds the programs; see README.md.
"""
import argparse, os, signal, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench, targets

MIB = 1 << 20
CLIENTS = {"jfs": "JFS_BIN", "juicefs": "JUICEFS_BIN", "base": "BASE_BIN"}
# What a read may fetch, as a multiple of the file, before its line is marked.
FETCH_MAX = 1.1
# Seconds after which a read is given up; its rate is that of what it got.
READ_LIMIT = 60
KEY = "{key}"

# (name, options of format, options of mount)
LINES = [
    ("default", [], []),
    ("compress=lz4", ["--compress", "lz4"], []),
    ("compress=zstd", ["--compress", "zstd"], []),
    ("encrypt=aes256gcm", ["--encrypt-rsa-key", KEY], []),
    ("encrypt=chacha20", ["--encrypt-rsa-key", KEY, "--encrypt-algo", "chacha20-rsa"], []),
    ("block-size=64K", ["--block-size", "64K"], []),
    ("block-size=16M", ["--block-size", "16M"], []),
    ("hash-prefix", ["--hash-prefix"], []),
    ("prefetch=0", [], ["--prefetch", "0"]),
    ("prefetch=3", [], ["--prefetch", "3"]),
    ("max-readahead=1", [], ["--max-readahead", "1"]),
    ("buffer-size=16", [], ["--buffer-size", "16"]),
    ("max-fuse-io=1M", [], ["--max-fuse-io", "1M"]),
    ("cache-size=0", [], ["--cache-size", "0"]),
    ("cache-dir=memory", [], ["--cache-dir", "memory", "--cache-size", "64"]),
    ("cache-partial-only", [], ["--cache-partial-only"]),
    ("checksum=none", [], ["--verify-cache-checksum", "none"]),
    ("open-cache=10s", [], ["--open-cache", "10s"]),
    ("max-uploads=1", [], ["--max-uploads", "1"]),
]


class Volume(targets.JuiceFS):
    """A volume on SQLite and local files, with options of its own."""
    def __init__(self, client, formatting, mounting):
        super().__init__(f"matrix-{client}", CLIENTS[client], client, "sqlite", "file", 0)
        self.formatting, self.mounting = formatting, mounting

    def env(self):
        return {"JFS_RSA_PASSPHRASE": "matrix"}

    def prepare(self):
        key = os.path.join(self.base, "key.pem")
        self.url = f"sqlite3://{self.base}/meta.db"
        if KEY in self.formatting:
            targets.sh("openssl", "genrsa", "-out", key, "-aes256", "-passout", "pass:matrix", "2048")
        options = [key if o == KEY else o for o in self.formatting]
        targets.sh(self.exe(), "format", "--storage", "file", "--bucket", os.path.join(self.base, "obj") + "/",
                   "--trash-days", "0", *options, self.url, "matrix", env={**os.environ, **self.env()})

    def mount_cmd(self):
        defaults = {"--cache-dir": self.cache, "--cache-size": "4096", "--metrics": "127.0.0.1:16430"}
        own = [w for flag, value in defaults.items() if flag not in self.mounting for w in (flag, value)]
        return [self.exe(), "mount", "-d", "--no-usage-report", "--backup-meta", "0",
                "--log", os.path.join(self.base, "mount.log"), *own, *self.mounting, self.url, self.mp]

    def fetched(self):
        """MiB got from the object store since the mount."""
        return self.stats().get("juicefs_object_request_data_bytes_GET", 0) / MIB


def write(path, block, mib):
    """MiB/s of writing a file by 1 MiB, the fsync included."""
    start = time.perf_counter()
    with open(path, "wb", buffering=0) as f:
        for _ in range(mib):
            f.write(block)
        os.fsync(f.fileno())
    return mib / (time.perf_counter() - start)


def read(path):
    """MiB/s of reading a file by 1 MiB, and MiB read."""
    start, got = time.perf_counter(), 0
    with open(path, "rb", buffering=0) as f:
        while time.perf_counter() - start < READ_LIMIT:
            n = len(f.read(MIB))
            if n == 0:
                break
            got += n
    return got / MIB / (time.perf_counter() - start), got / MIB


def measure(client, formatting, mounting, block, mib):
    """(write MiB/s, read MiB/s, MiB fetched by each MiB read, peak MiB of memory)"""
    volume = Volume(client, formatting, mounting)
    path = os.path.join(volume.mp, "file")
    try:
        volume.setup()
        volume.mount()
        written = write(path, block, mib)
        peak = volume.peak_rss()
        volume.remount(wipe=True)
        # Only this file's pages; the mount is new, so the client has none of its blocks.
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
        rate, got = read(path)
        return written, rate, volume.fetched() / max(got, 1), max(peak, volume.peak_rss())
    finally:
        volume.destroy()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-c", "--clients", default="jfs,juicefs", help="two of " + ", ".join(CLIENTS))
    p.add_argument("--mib", type=int, default=256, help="size of the file")
    p.add_argument("--only", default="", help="lines whose name has this text in it")
    a = p.parse_args()
    clients = a.clients.split(",")
    if len(clients) != 2 or any(c not in CLIENTS for c in clients):
        p.error("-c takes two of " + ", ".join(CLIENTS))
    bench.own_mounts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))    # so that volumes are destroyed
    if targets.NICE < 0:
        targets.set_nice(os.getpid())
    os.makedirs(targets.SCRATCH, exist_ok=True)
    # Two bytes of three are random: compression has something to do and does not make it nothing.
    block = bytes(65 if i % 3 == 0 else b for i, b in enumerate(os.urandom(MIB)))
    print(f"{' / '.join(clients)}, {a.mib} MiB\n")
    print("| options | write MiB/s | | read MiB/s | | fetched / read | peak MiB |\n|---|---:|---:|---:|---:|---:|---:|")
    failures = 0
    for n, (name, formatting, mounting) in enumerate(l for l in LINES if a.only in l[0]):
        got = {}
        for client in clients if n % 2 == 0 else clients[::-1]:
            try:
                got[client] = measure(client, formatting, mounting, block, a.mib)
            except (RuntimeError, OSError) as e:
                failures += 1
                print(f"{client}, {name}: {str(e)[:300]}", file=sys.stderr, flush=True)
        if len(got) < 2:
            continue
        (w1, r1, f1, m1), (w2, r2, f2, m2) = (got[c] for c in clients)
        mark = " <-- look" if f1 > FETCH_MAX or r1 < r2 else ""
        print(f"| {name} | {w1:.0f} / {w2:.0f} | {w1 / w2:.2f} | {r1:.0f} / {r2:.0f} | {r1 / r2:.2f} | "
              f"{f1:.2f} / {f2:.2f} | {m1:.0f} / {m2:.0f} |{mark}", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
