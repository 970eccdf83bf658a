#!/usr/bin/env python3
"""Side-by-side file system benchmark. See README.md; started by `cargo xtask bench`.

  bench.py run -t passthrough-ll,juicefs-redis-file,jfs-redis-file -r 3 -l trio
  bench.py compare results/trio.json [more.json ...] --base juicefs-redis-file
  bench.py check results/trio.json --base juicefs-redis-file --ours jfs-redis-file
"""
import argparse, contextlib, json, os, platform, signal, statistics, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check, targets, workloads

HERE = os.path.dirname(os.path.abspath(__file__))
KEEP = ("fuse_ops_total_", "fuse_ops_durations_seconds_", "transaction_durations_histogram_seconds_", "object_request_",
        "transaction_restart", "blockcache_hit", "blockcache_miss", "blockcache_write", "compact_size")


def busy():
    """CPU seconds used on the whole machine so far."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    return (sum(v) - v[3] - v[4]) / targets.TCK


class Ctx:
    def __init__(self, t, rep, out, args):
        self.t, self.rep, self.out = t, rep, out
        self.limit, self.big_mib, self.rand_mib, self.prefix = args.limit, args.big, args.rand, "bench"

    def path(self, name):
        d = os.path.join(self.t.mp, self.prefix)
        os.makedirs(d, exist_ok=True)
        return os.path.join(d, name)

    def calm(self):
        """Wait until client and servers are idle (uploads, deletes), 20 s at most."""
        subprocess.run(["sync", "-f", self.t.mp])
        time.sleep(self.t.settle)
        quiet, end = 0, time.time() + 20
        while quiet < 2 and time.time() < end:
            a = self.t.cpu() + self.t.srv_cpu()
            time.sleep(0.4)
            quiet = quiet + 1 if self.t.cpu() + self.t.srv_cpu() - a < 0.035 else 0

    @contextlib.contextmanager
    def stage(self, name):
        t, st = self.t, {}
        s0, r0 = t.stats(), t.redis.commands() if t.redis else {}
        t.reset_peak()
        x0 = t.switches()
        c0, v0, m0, b0, w0 = t.cpu(), t.srv_cpu(), sum(os.times()[:4]), busy(), time.perf_counter()
        yield st
        wall = time.perf_counter() - w0
        mine, cpu, srv = sum(os.times()[:4]) - m0, t.cpu() - c0, t.srv_cpu() - v0
        rec = {"target": t.name, "rep": self.rep, "stage": name, "s": round(st.pop("s", wall), 4),
               "cpu_s": round(cpu, 2), "srv_cpu_s": round(srv, 2),
               "ctxsw": max(t.switches() - x0, 0), "rss_mib": round(t.peak_rss(), 1),
               # share of the machine used meanwhile by anything else (kernel threads, other people)
               "other": round(max(busy() - b0 - mine - cpu - srv, 0) / wall / os.cpu_count(), 2), **st}
        if t.redis:
            r1 = t.redis.commands()
            rec["redis"] = {k: v - r0.get(k, 0) for k, v in r1.items() if v - r0.get(k, 0) and k != "info"}
        s1 = t.stats()
        d = {}
        for k, v in s1.items():
            v, k = v - s0.get(k, 0), k.replace("juicefs_", "")
            if k.startswith(KEEP) and "{" not in k and v >= (0.002 if "_seconds" in k else 8):
                d[k] = round(v, 3)
        if d:
            rec["stats"] = d
        self.out.append(rec)
        print(f"{t.name:22} {self.rep} {name:20} {rec['s']:9.3f} s  {rate(rec)[0]:12.1f} {rate(rec)[1]:6}"
              f" cpu {rec['cpu_s']:6.2f}  ctxsw {rec['ctxsw']:8}  srv {rec['srv_cpu_s']:6.2f}  rss {rec['rss_mib']:6.0f}  other {rec['other']:.2f}",
              flush=True)


def rate(r):
    s = max(r["s"], 1e-6)
    if "bytes" in r:
        return r["bytes"] / s / (1 << 20), "MiB/s"
    return r.get("ops", 0) / s, "op/s"


def save(a, doc):
    os.makedirs(a.out, exist_ok=True)
    path = os.path.join(a.out, a.label + ".json")
    with open(path, "w") as f:
        f.write(json.dumps({k: v for k, v in doc.items() if k != "samples"})[:-1] + ',\n"samples":[\n')
        f.write(",\n".join(json.dumps(s, separators=(",", ":")) for s in doc["samples"]) + "\n]}\n")
    print("wrote", path, flush=True)


def own_mounts():
    """Go on in a private mount namespace. Otherwise a process elsewhere that
    unshares its mounts keeps a copy of ours, and our daemons outlive umount."""
    if os.environ.get("BENCH_NS") != "1":
        os.environ["BENCH_NS"] = "1"
        os.execvp("unshare", ["unshare", "-m", "--propagation", "private", sys.executable, *sys.argv])
    with open("/proc/self/mounts") as f:        # and do not do the same to other people's
        for line in f.read().splitlines():
            if line.split()[2].startswith("fuse"):
                subprocess.run(["umount", "-l", line.split()[1]])


def cmd_run(a):
    own_mounts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))    # so that targets are destroyed
    if targets.NICE < 0:
        targets.set_nice(os.getpid())
    names = a.targets.split(",")
    groups = a.groups.split(",") if a.groups else list(workloads.GROUPS)
    for g in groups:
        if g not in workloads.GROUPS:
            sys.exit("no group %r: there are %s" % (g, ", ".join(workloads.GROUPS)))
    os.makedirs(targets.SCRATCH, exist_ok=True)
    doc = {"label": a.label, "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "reps": a.reps,
           "host": {"cpus": os.cpu_count(), "kernel": platform.release().split("-")[0],
                    "nice": targets.NICE,
                    "mem_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20},
           "errors": [], "idle": [], "samples": []}
    for rep in range(a.reps):
        ts, order = {}, names if rep % 2 == 0 else names[::-1]
        try:
            for n in names:
                ts[n] = targets.make(n)
                ts[n].setup()
                ts[n].mount()
            if a.idle and rep == 0:
                c0 = {n: ts[n].cpu() for n in names}
                time.sleep(30)
                for n in names:
                    doc["idle"].append({"target": n, "rep": rep, "cpu_s_30s": round(ts[n].cpu() - c0[n], 2),
                                        "procs": len(ts[n].pids), "rss_mib":
                                        [round(targets.proc_mem(p, "VmRSS"), 1) for p in ts[n].pids]})
                    print("idle", doc["idle"][-1], flush=True)
            for g in groups:
                for n in order:
                    try:
                        workloads.GROUPS[g](Ctx(ts[n], rep, doc["samples"], a))
                    except Exception as e:      # one target failing a workload is a result
                        doc["errors"].append({"target": n, "rep": rep, "group": g, "error": repr(e)[:300]})
                        print("ERROR", n, g, repr(e)[:300], flush=True)
                        subprocess.run(["rm", "-rf", os.path.join(ts[n].mp, "bench")], timeout=120)
                    Ctx(ts[n], rep, [], a).calm()
        finally:
            for t in ts.values():
                try:
                    t.destroy()
                except Exception as e:
                    print("ERROR destroying", t.name, repr(e)[:300], flush=True)
        save(a, doc)


def load(files):
    data, order, names = {}, [], []
    for f in files:
        with open(f) as fh:
            for r in json.load(fh)["samples"]:
                data.setdefault((r["target"], r["stage"]), []).append(r)
                if r["stage"] not in order:
                    order.append(r["stage"])
                if r["target"] not in names:
                    names.append(r["target"])
    names.sort(key=lambda n: targets.NAMES.index(n) if n in targets.NAMES else 99)
    return data, order, names


def cmd_compare(a):
    data, order, names = load(a.files)
    if a.targets:
        names = [n for n in a.targets.split(",") if n in names]
    better = max if a.metric == "rate" else min
    agg = statistics.median if a.agg == "median" else better
    med = lambda rs, fn: agg([fn(r) for r in rs]) if rs else None
    per = lambda r: r["bytes"] / (1 << 20) if "bytes" in r else max(r.get("ops", 1), 1)
    fn = {"rate": lambda r: rate(r)[0], "rss": lambda r: r["rss_mib"],
          "cpu": lambda r: r["cpu_s"] * 1e6 / per(r), "allcpu": lambda r: (r["cpu_s"] + r["srv_cpu_s"]) * 1e6 / per(r),
          "ctxsw": lambda r: r.get("ctxsw", 0) / per(r), "p50": lambda r: r.get("p50_us", 0), "p99": lambda r: r.get("p99_us", 0),
          "redis": lambda r: sum(r.get("redis", {}).values()) / per(r)}[a.metric]
    print(f"{a.agg} {a.metric}" + (f"; (x) = ratio to {a.base}" if a.base else "") +
          "; n = repeats per target: " + ", ".join(
              f"{n} {max([len(v) for (t, _), v in data.items() if t == n])}" for n in names) + "\n")
    print("| workload | unit | " + " | ".join(names) + " |\n|---|---|" + "---:|" * len(names))
    for s in order:
        some = next((data[n, s][0] for n in names if (n, s) in data), None)
        if some is None:
            continue
        what = "MiB" if "bytes" in some else "op"
        unit = {"rate": rate(some)[1], "rss": "MiB", "p50": "us", "p99": "us", "redis": f"cmd/{what}",
                "ctxsw": f"ctxsw/{what}"}.get(
            a.metric, f"us/{what}")
        if a.metric in ("p50", "p99", "redis") and not any(med(data.get((n, s)), fn) for n in names):
            continue
        base, row = med(data.get((a.base, s)), fn), []
        for n in names:
            v = med(data.get((n, s)), fn)
            if v is None:
                row.append("-")
                continue
            txt = f"{v:.0f}" if v >= 100 else f"{v:.3g}"
            if base and n != a.base:
                txt += f" ({v / base:.2f})"
            row.append(txt)
        print(f"| {s} | {unit} | " + " | ".join(row) + " |")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest="cmd", required=True)
    r = sub.add_parser("run")
    r.add_argument("-t", "--targets", required=True, help="comma list: " + ",".join(targets.NAMES))
    r.add_argument("-g", "--groups", help="comma list: " + ",".join(workloads.GROUPS))
    r.add_argument("-r", "--reps", type=int, default=3)
    r.add_argument("-l", "--label", required=True)
    r.add_argument("--big", type=int, default=1024, help="MiB of the sequential file")
    r.add_argument("--rand", type=int, default=512, help="MiB of the random IO file")
    r.add_argument("--limit", type=float, default=8, help="seconds a loop may take")
    r.add_argument("--idle", action="store_true", help="record 30 s of idle CPU and RSS first")
    r.add_argument("-o", "--out", default=os.path.join(HERE, "results"))
    c = sub.add_parser("compare")
    c.add_argument("files", nargs="+")
    c.add_argument("--base")
    c.add_argument("--targets")
    c.add_argument("--agg", default="median", choices=["median", "best"])
    c.add_argument("--metric", default="rate", choices=["rate", "cpu", "allcpu", "ctxsw", "rss", "p50", "p99", "redis"])
    k = sub.add_parser("check", help="hold our target against the base, line by line; exit code 1 when one falls short")
    k.add_argument("files", nargs="+")
    k.add_argument("--base", required=True)
    k.add_argument("--ours", required=True)
    a = p.parse_args()
    {"run": cmd_run, "compare": cmd_compare, "check": check.main}[a.cmd](a)


if __name__ == "__main__":
    main()
