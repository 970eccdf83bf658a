"""Holds our target against the reference, line by line, by the rule of docs/PERFORMANCE.md.

Medians over all repeats of all files given. `speed` is base time per op / our time per op (above 1: we
are faster), `cpu` our client CPU per op / the base's (below 1: we are cheaper).
"""
import json, statistics, sys

# Stages the rule names, with the speed wanted of each; all of them with CPU_NAMED at most.
NAMED = {"create_4k": 1.5, "create_empty_10k": 1.5, "tree_create_5000": 1.5, "rename": 1.5, "unlink": 1.5,
         "randread_4k_t1": 1.5, "randread_4k_t16": 1.5, "append_fsync": 1.5, "stat_cold": 1.3, "open_close": 1.3}
# Without a network in the way the engine is what is compared.
NAMED_SQLITE = {"create_4k": 2, "rename": 2, "unlink": 2, "par8_create_own": 2, "par8_create_shared": 2}
RECORDED = ("stat_warm", "seqread_pagecache")       # the kernel's work
CPU_NAMED, SPEED_OTHER, CPU_OTHER = 0.7, 0.85, 1.1
JUDGED_S = 0.2                                      # other stages shorter than this at the base are noise
SWITCHES_PER_CREATE, IDLE_RSS_MIB = 16, 40


def main(a):
    samples, idle = {}, {}
    for name in a.files:
        with open(name) as f:
            doc = json.load(f)
        for r in doc["samples"]:
            samples.setdefault(r["stage"], {}).setdefault(r["target"], []).append(r)
        for r in doc["idle"]:
            idle.setdefault(r["target"], []).append(sum(r["rss_mib"]))
        for e in doc["errors"]:
            print("error during the run:", e)
    named = {**NAMED, **(NAMED_SQLITE if "sqlite" in a.ours else {})}
    short = 0
    print(f"| workload | speed | wanted | cpu | wanted | {a.ours} falls short in |\n|---|---:|---:|---:|---:|---|")
    for stage, by_target in samples.items():
        base, ours = by_target.get(a.base), by_target.get(a.ours)
        if not base or not ours:
            continue
        speed = per_op(base, "s") / max(per_op(ours, "s"), 1e-12)
        cpu = per_op(ours, "cpu_s") / per_op(base, "cpu_s") if per_op(base, "cpu_s") else None
        want_speed, want_cpu = named.get(stage), CPU_NAMED
        if want_speed is None:
            want_speed = SPEED_OTHER if total(base, "s") >= JUDGED_S else None
            want_cpu = CPU_OTHER if total(base, "cpu_s") >= JUDGED_S else None
        if stage in RECORDED:
            want_speed = want_cpu = None
        bad = []
        if want_speed and speed < want_speed:
            bad.append("speed")
        if want_cpu and cpu is not None and cpu > want_cpu:
            bad.append("cpu")
        if stage in ("create_empty_10k", "tree_create_5000") and per_op(ours, "ctxsw") > SWITCHES_PER_CREATE:
            bad.append(f"context switches: {per_op(ours, 'ctxsw'):.1f} per create, {SWITCHES_PER_CREATE} wanted")
        short += len(bad)
        print(f"| {stage} | {speed:.2f} | {want_speed or '-'} | {'-' if cpu is None else f'{cpu:.2f}'} | {want_cpu or '-'} | {', '.join(bad)} |")
    for target in (a.base, a.ours):
        if target in idle:
            rss = statistics.median(idle[target])
            over = target == a.ours and rss > IDLE_RSS_MIB
            short += over
            print(f"\nidle RSS {target}: {rss:.1f} MiB" + (f", above {IDLE_RSS_MIB}" if over else ""))
    print(f"\n{short} short" if short else "\nnothing falls short")
    sys.exit(1 if short else 0)


def per_op(records, key):
    return statistics.median(r.get(key, 0) / max(r.get("bytes", 0) or r.get("ops", 1), 1) for r in records)


def total(records, key):
    return statistics.median(r[key] for r in records)
