"""`make bench-service`: the service under load on this machine, and beside it what a user would build otherwise.

usage: service.py RINGFENCE PYTHON WORK [SECONDS] [ENTITIES] [neighbours | hybrid | swap | retrain | backtest]
`neighbours`: only what one tenant does to another. `hybrid`: only the starter model's trees and a hybrid, trained here on
the simulated world, under the same load of accounts with full windows. `swap`: trees and that hybrid put into service by
turns under 5,000 decisions/s. `retrain`: only what decisions feel of a hybrid's retrain beside
them. `backtest`: only what a tenant's decisions feel of another's backtests, on an idle thread and on a nice one.
Loopback only. CPU is user + system time of all processes of a server, by /proc; wrk's own is not in it.
"""
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
RINGFENCE, PYTHON, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
SECONDS = int(sys.argv[4]) if len(sys.argv) > 4 else 20
ENTITIES = int(sys.argv[5]) if len(sys.argv) > 5 else 1_000_000
# Only a part.
ONLY = sys.argv[6] if len(sys.argv) > 6 else ""
CONNECTIONS = 256
# Events of an account that a network reads at most.
SEQUENCE = 64
CONFIG = "[rate]\nper_second = 1000000\nburst = 1000000\n[snapshot]\nrecords = 100000000\n"
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def descendants(pid):
    found, todo = [], [pid]
    while todo:
        found.append(at := todo.pop())
        for task in pathlib.Path(f"/proc/{at}/task").glob("*/children"):
            todo.extend(int(it) for it in task.read_text().split())
    return found


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def rss_mib(pids):
    pages = sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def get(port, path, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def ready(port, path, within=600):
    started = time.monotonic()
    while time.monotonic() - started < within:
        try:
            if get(port, path)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.001)
    raise SystemExit(f"not ready within {within} s")


def serve(data, config=CONFIG):
    """Starts the server; returns it, its port, and the time until it was ready."""
    (WORK / "config.toml").write_text(config)
    port, started = free_port(), time.monotonic()
    server = subprocess.Popen(
        [RINGFENCE, "--data", data, "--json", "serve", "--config", WORK / "config.toml",
         "--listen", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL)
    ready(port, "/readyz")
    seconds = time.monotonic() - started
    caught_up(port, token(data, "--role", "admin"))
    return server, port, seconds


def caught_up(port, bearer, within=1800):
    """Waits for the thread that judges models by labels: what it reads of the days before is nobody's decision."""
    started, name = time.monotonic(), "ringfence_decay_lag_records"
    while time.monotonic() - started < within:
        text = get(port, "/metrics", {"Authorization": f"Bearer {bearer}"})[1]
        behind = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name + "{")]
        if behind and not any(behind):
            return
        time.sleep(0.2)
    raise SystemExit(f"{name} is not 0 within {within} s")


def stop(server):
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=300)


def token(data, *role):
    command = [RINGFENCE, "--data", data, "token", *role]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def fsync_ms():
    """Median and 99th percentile of an append of 4 KiB made durable, where the log will lie."""
    times, path = [], WORK / "fsync.probe"
    with open(path, "wb") as file:
        for _ in range(300):
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(1000 * (time.perf_counter() - started))
    path.unlink()
    times.sort()
    return times[150], times[297]


def start_wrk(port, rate, bearer, what="decide", tenant="default", connections=CONNECTIONS, active=0):
    command = ["wrk", "-t2", f"-c{connections}", f"-d{SECONDS}s", "--timeout", "10s",
               "-s", HERE / "service.lua", f"http://127.0.0.1:{port}", "--",
               str(ENTITIES), str(connections), str(rate), bearer, what, tenant, str(active)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def result_of(running):
    said, _ = running.communicate()
    if running.returncode != 0:
        raise SystemExit(f"wrk ended with {running.returncode}: {said}")
    return json.loads(re.search(r"RESULT (.*)", said).group(1))


def wrk(port, rate, bearer, what="decide", active=0):
    return result_of(start_wrk(port, rate, bearer, what, active=active))


def metric(port, bearer, name):
    text = get(port, "/metrics", {"Authorization": f"Bearer {bearer}"})[1]
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.startswith(name + "{") or line.startswith(name + " "))


def fsyncs_by_time(port, bearer):
    """How many fsyncs of the log took no longer than each bucket's bound, in seconds."""
    text, found = get(port, "/metrics", {"Authorization": f"Bearer {bearer}"})[1], {}
    for line in text.splitlines():
        if line.startswith("ringfence_fsync_seconds_bucket{"):
            bound = float(re.search(r'le="([^"]+)"', line).group(1).replace("+Inf", "inf"))
            count = float(re.search(r"} (\S+)", line).group(1))
            found[bound] = found.get(bound, 0) + count
    return found


def slowest_fsync_ms(before, after):
    """The bound that none between the two has passed: a disk that stands still is no fault of who waits for it."""
    # Counts add up from bound to bound, and a bound that would add nothing is left out.
    held = lambda bound: max((count for at, count in before.items() if at <= bound), default=0)
    grown = {bound: count - held(bound) for bound, count in after.items()}
    return 1000 * min(bound for bound, count in grown.items() if count == max(grown.values()))


def row(name, result, cpu, pids, fsyncs=None):
    per = 1e6 * cpu / max(result["requests"], 1)
    told = "" if fsyncs is None else f"{fsyncs:>9,.0f}"
    print(f"{name:<34} {result['requests'] / result['seconds']:>9,.0f} {result['p50_ms']:>8.2f} "
          f"{result['p99_ms']:>8.2f} {result['p999_ms']:>8.2f} {per:>9.1f} {rss_mib(pids):>8.0f} "
          f"{result['not_2xx'] + result['broken']:>7,} {told}", flush=True)
    return per


def history(path, active):
    """Events of the last 20 days that make ENTITIES accounts, devices and merchants known; on the last of them the
    first `active` accounts pay as often as a sequence is long, from their own devices."""
    random.seed(1)
    accounts, devices, merchants = int(ENTITIES * 0.6), int(ENTITIES * 0.35), int(ENTITIES * 0.05)
    start, events = time.time() - 20 * 86400, int(ENTITIES * 1.2)
    with open(path, "w", encoding="utf-8") as out:
        for number in range(events + SEQUENCE * active):
            late = number - events
            day = 19 * number / events if late < 0 else 19 + 0.9 * late / (SEQUENCE * active)
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start + 86400 * day))
            account = number % accounts + 1 if late < 0 else late % active + 1
            out.write(f'{{"event_id":"h{number}","event_type":"payment","event_timestamp":"{at}",'
                      f'"account":"a{account}","merchant":"m{random.randint(1, merchants)}",'
                      f'"device":"d{account % devices + 1}","amount":{random.randint(1, 400)}.50}}\n')


def prepared(active=0):
    """A data directory with the known entities and the starter model; made once."""
    data = WORK / (f"data-{ENTITIES}-{active}" if active else f"data-{ENTITIES}")
    if (data / ".complete").exists():
        return data
    shutil.rmtree(data, ignore_errors=True)
    server, _, seconds = serve(data)
    rss = rss_mib([server.pid])
    print(f"start, empty: {1000 * seconds:.0f} ms (makes its tenant and key), {rss:.1f} MiB resident")
    stop(server)
    file = WORK / "history.jsonl"
    history(file, active)
    subprocess.run([RINGFENCE, "--data", data, "-q", "import", file], check=True)
    file.unlink()
    (data / ".complete").touch()
    return data


def ours():
    data = prepared()
    server, _, seconds = serve(data)
    stop(server)
    records = sum(1 for _ in data.glob("default/log/*.seg"))
    print(f"start by replaying the log of {int(ENTITIES * 1.2):,} events ({records} segments): {seconds:.1f} s")
    server, port, seconds = serve(data)
    pids = [server.pid]
    print(f"start from the snapshot: {seconds:.1f} s; {rss_mib(pids):.0f} MiB with {ENTITIES:,} entities\n")
    p50, p99 = fsync_ms()
    print(f"an fsync of 4 KiB here: p50 {p50:.2f} ms, p99 {p99:.2f} ms\n")
    print(f"{'':<34} {'requests/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'p99.9 ms':>8} {'CPU us':>9} {'RSS MiB':>8} "
          f"{'failed':>7} {'fsyncs':>9}")
    bearer, admin = token(data), token(data, "--role", "admin")
    best = None
    for name, rate, what in [("refused at the door", 0, "refused"), ("1,000 decisions/s", 1000, "decide"),
                             ("5,000 decisions/s", 5000, "decide"), ("as fast as it answers", 0, "decide")]:
        before, synced = cpu_seconds(pids), metric(port, admin, "ringfence_fsyncs_total")
        result = wrk(port, rate, bearer, what)
        cpu, fsyncs = cpu_seconds(pids) - before, metric(port, admin, "ringfence_fsyncs_total") - synced
        if what == "refused":
            result["not_2xx"] = 0
        best = row(f"ringfence: {name}", result, cpu, pids, fsyncs)
    stop(server)
    model = WORK / "peer-model.txt"
    subprocess.run([RINGFENCE, "--data", data, "models", "export", model], check=True, stdout=subprocess.DEVNULL)
    return best, model


def translated(line):
    """A line of the simulated world as the default schema has it, as the starter model sees it too
    (crates/ringfence/src/commands/starter.rs)."""
    fields = json.loads(line)
    if "event_type" in fields:
        names = {"account_opening": "profile_change", "refund": "deposit"}
        fields["event_type"] = names.get(fields["event_type"], fields["event_type"])
    for unknown in ["terminal", "device_type", "change"]:
        fields.pop(unknown, None)
    if "counterparty" in fields:
        fields["payee"] = fields.pop("counterparty")
    return json.dumps(fields) + "\n"


def trained():
    """A hybrid trained on the simulated world, as the default schema has it: its data directory and version. Made once."""
    data = WORK / "data-world"
    if not (data / ".complete").exists():
        shutil.rmtree(data, ignore_errors=True)
        params, file = WORK / "world.toml", WORK / "world.jsonl"
        params.write_text("prevalence = 0.01\n")
        command = [RINGFENCE, "--data", data, "-q"]
        world = subprocess.Popen(command + ["simulate", "--preset", "demo", "--days", "90", "--params", params,
                                            "--out", "-", "--format", "jsonl"], stdout=subprocess.PIPE, text=True)
        with open(file, "w", encoding="utf-8") as out:
            out.writelines(translated(line) for line in world.stdout)
        if world.wait() != 0:
            raise SystemExit("the world could not be simulated")
        for what in [["init"], ["import", file]]:
            subprocess.run(command + what, check=True, stdout=subprocess.DEVNULL)
        file.unlink()
        subprocess.run(command + ["train", "--model", "hybrid", "--epochs", "4", "--rows-max", "30000",
                                  "--no-activate"], check=True)
        (data / ".complete").touch()
    listed = subprocess.run([RINGFENCE, "--data", data, "--json", "models", "list"], check=True,
                            capture_output=True, text=True)
    return data, next(it["model"] for it in json.loads(listed.stdout) if it["kind"] == "hybrid")


def hybrid():
    """Trees and a hybrid under the same load: accounts whose windows and neighbours fill all that a score reads."""
    world, model = trained()
    active = min(20_000, int(ENTITIES * 0.6))
    data = prepared(active)
    # A run before this one left the hybrid in service.
    models = json.loads(subprocess.run([RINGFENCE, "--data", data, "--json", "models", "list"], check=True,
                                       capture_output=True, text=True).stdout)
    trees = next(it for it in models if it["kind"] == "trees")
    if not trees["serving"]:
        subprocess.run([RINGFENCE, "--data", data, "-q", "models", "activate", trees["model"]], check=True,
                       stdout=subprocess.DEVNULL)
    server, port, _ = serve(data)
    pids, bearer = [server.pid], token(data)
    print(f"{active:,} accounts with {SEQUENCE} events in a day, of {ENTITIES:,} entities\n")
    print(f"{'':<34} {'requests/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'p99.9 ms':>8} {'CPU us':>9} {'RSS MiB':>8} "
          f"{'failed':>7}")
    cost = {}
    for kind in ["trees", "hybrid"]:
        if kind == "hybrid":
            subprocess.run([RINGFENCE, "--data", world, "models", "activate", model,
                            "--to", f"http://127.0.0.1:{port}", "--token", bearer],
                           check=True, stdout=subprocess.DEVNULL)
        for name, rate in [("5,000 decisions/s", 5000), ("as fast as it answers", 0)]:
            before = cpu_seconds(pids)
            result = wrk(port, rate, bearer, active=active)
            cost[kind] = row(f"{kind}: {name}", result, cpu_seconds(pids) - before, pids)
        admin = token(data, "--role", "admin")
        fallbacks = metric(port, admin, "ringfence_degraded_total")
        print(f"{kind}: {fallbacks:,.0f} decisions so far with less than all of the model")
    stop(server)
    print(f"\nCPU of a decision as fast as it answers: trees {cost['trees']:.1f} us, hybrid {cost['hybrid']:.1f} us")


def swap():
    """Trees and a hybrid into service by turns under 5,000 decisions/s, both files on the server's disk."""
    world, model = trained()
    active, rate = min(20_000, int(ENTITIES * 0.6)), 5000
    data = prepared(active)
    server, port, _ = serve(data)
    pids, bearer = [server.pid], token(data)
    headers = {"Authorization": f"Bearer {bearer}", "X-Tenant-Id": "default"}
    folder = data / "default" / "models"
    starter = next(path.stem for path in folder.glob("*.model") if path.stem != model)
    shutil.copy(world / "default" / "models" / f"{model}.model", folder)

    def post(path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        started = time.perf_counter()
        connection.request("POST", path, headers=headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        assert answer.status == 200 and told["status"] == "serving", told
        return 1000 * (time.perf_counter() - started), told

    print(f"{active:,} accounts with {SEQUENCE} events in a day, of {ENTITIES:,} entities, at {rate:,} decisions/s\n")
    print(f"{'':<34} {'requests/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'p99.9 ms':>8} {'CPU us':>9} {'RSS MiB':>8} "
          f"{'failed':>7}")
    before = cpu_seconds(pids)
    result = wrk(port, rate, bearer, active=active)
    row("no swap (trees)", result, cpu_seconds(pids) - before, pids)
    before, running, times = cpu_seconds(pids), start_wrk(port, rate, bearer, active=active), []
    ends = time.monotonic() + SECONDS - 2
    time.sleep(1)
    while time.monotonic() < ends:
        for turn in [f"/v1/models/{model}/activate", "/v1/models:rollback"]:
            took, told = post(turn)
            times.append((took, told["took_us"] / 1000, told["pause_us"] / 1000))
            time.sleep(0.4)
    result = result_of(running)
    row(f"{len(times)} swaps, two a second", result, cpu_seconds(pids) - before, pids)
    for name, at in [("from the call to its answer", 0), ("to the switch", 1), ("no decision taken", 2)]:
        column = sorted(it[at] for it in times)
        print(f"{name:<34} median {column[len(column) // 2]:.2f} ms, largest {column[-1]:.2f} ms")
    listed = json.loads(get(port, "/v1/models", headers)[1])
    assert listed["lineup"]["champion"]["model"] == starter, listed["lineup"]
    stop(server)


def retrain():
    """What decisions feel of a retrain of their model: the same load without and with the child that trains, in pairs."""
    world, model = trained()
    data, rate, pairs = WORK / "data-retrain", 5000, 3
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(world, data)
    subprocess.run([RINGFENCE, "--data", data, "-q", "models", "activate", model], check=True,
                   stdout=subprocess.DEVNULL)
    server, port, _ = serve(data, CONFIG + "[retrain]\nenabled = true\n")
    bearer, admin = token(data), token(data, "--role", "admin")
    headers = {"Authorization": f"Bearer {bearer}", "X-Tenant-Id": "default"}

    def training():
        held = json.loads(get(port, "/v1/retrain", headers)[1])["retrains"]
        return bool(held) and held[0]["status"] == "training"

    print(f"{rate:,} decisions/s by a hybrid, without and with a retrain of it")
    print(f"{'':<34} {'p50 ms':>9} {'p99 ms':>9} {'failed':>9} {'slowest fsync ms':>18}")
    ratios = []
    for _ in range(pairs):
        p99 = []
        for with_child in [False, True]:
            if with_child and not training():
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request("POST", "/v1/retrain", headers=headers)
                assert connection.getresponse().status == 202
                # Past the reading of the log, which takes a second or two.
                time.sleep(5)
            before = fsyncs_by_time(port, admin)
            result = wrk(port, rate, bearer)
            slowest = slowest_fsync_ms(before, fsyncs_by_time(port, admin))
            told = ("with a retrain" if training() else "a retrain that ended within") if with_child else "without"
            p99.append(result["p99_ms"])
            print(f"{told:<34} {result['p50_ms']:>9.2f} {result['p99_ms']:>9.2f} "
                  f"{result['not_2xx'] + result['broken']:>9,} {slowest:>18.1f}", flush=True)
            if with_child:
                # The next run is without one: the child ends with its server.
                stop(server)
                shutil.rmtree(data / "default" / "retrain")
                server, port, _ = serve(data, CONFIG + "[retrain]\nenabled = true\n")
        ratios.append(p99[1] / p99[0])
    stop(server)
    ratios.sort()
    print(f"p99 with a retrain against without: {ratios[len(ratios) // 2]:.2f} (median of {pairs} pairs; "
          f"{ratios[0]:.2f} to {ratios[-1]:.2f})")


RULES = """[[rules]]
id = "many-accounts"
when = "device.accounts_30d >= 4"
status = "active"
tags = ["shared"]
"""


def backtest():
    """What a tenant's decisions feel of another's backtests, which rebuild the graph: runs in pairs, without and with."""
    data, own, pairs = prepared(), 1000, 3
    print(f"{own:,} decisions/s of a tenant, without and with backtests of another's {int(ENTITIES * 1.2):,} events")
    print(f"{'':<34} {'p50 ms':>9} {'p99 ms':>9} {'failed':>9} {'records/s of backtests':>24} "
          f"{'slowest fsync ms':>18}")
    for priority in ["idle", "low"]:
        server, port, _ = serve(data, CONFIG + f'[backtests]\npriority = "{priority}"\n')
        admin = token(data, "--role", "admin")

        def ask(method, path, bearer, tenant, body=None):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            headers = {"Authorization": f"Bearer {bearer}", "X-Tenant-Id": tenant, "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            told = answer.read()
            return answer.status, json.loads(told) if told else None

        assert ask("POST", "/v1/tenants", admin, "default", {"name": "quiet"})[0] in (201, 409)
        quiet, past = token(data, "--tenant", "quiet"), token(data)
        window = {"from": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z", "rules": RULES}
        ratios = []
        for _ in range(pairs):
            p99 = []
            for beside in [False, True]:
                begun, records, job = time.monotonic(), 0, None
                before = fsyncs_by_time(port, admin)
                running = start_wrk(port, own, quiet, tenant="quiet", connections=64)
                while running.poll() is None:
                    if beside and (job is None or job["status"] in ("done", "failed", "cancelled")):
                        assert job is None or job["status"] == "done", job
                        records += job["records"] if job else 0
                        status, job = ask("POST", "/v1/backtests", past, "default", window)
                        assert status == 202, job
                    time.sleep(0.2)
                    if beside:
                        job = ask("GET", f"/v1/backtests/{job['id']}", past, "default")[1]
                if beside:
                    records += job["records"]
                    ask("DELETE", f"/v1/backtests/{job['id']}", past, "default")
                per_second = records / (time.monotonic() - begun)
                result = result_of(running)
                slowest = slowest_fsync_ms(before, fsyncs_by_time(port, admin))
                p99.append(result["p99_ms"])
                print(f"{f'with backtests ({priority})' if beside else 'without':<34} {result['p50_ms']:>9.2f} "
                      f"{result['p99_ms']:>9.2f} {result['not_2xx'] + result['broken']:>9,} {per_second:>24,.0f} "
                      f"{slowest:>18.1f}", flush=True)
            ratios.append(p99[1] / p99[0])
        stop(server)
        ratios.sort()
        print(f"p99 with backtests against without ({priority}): {ratios[len(ratios) // 2]:.2f} (median of {pairs} pairs; "
              f"{ratios[0]:.2f} to {ratios[-1]:.2f})")


def neighbours():
    """What tenant A at 20 times its limit does to tenant B: runs in pairs, without A and with A."""
    data, limit, own, pairs = WORK / "data-neighbours", 500, 1000, 3
    shutil.rmtree(data, ignore_errors=True)
    server, port, _ = serve(data, CONFIG + f"[rate.tenants.noisy]\nper_second = {limit}\nburst = {limit}\n")
    admin = token(data, "--role", "admin")
    for name in ["noisy", "quiet"]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/v1/tenants", json.dumps({"name": name}), {"Authorization": f"Bearer {admin}"})
        assert connection.getresponse().status == 201
    bearer = {name: token(data, "--tenant", name) for name in ["noisy", "quiet"]}
    print(f"\ntenant B at {own:,} decisions/s, without and with tenant A at {20 * limit:,} (its limit: {limit})")
    print(f"{'':<34} {'B p50 ms':>9} {'B p99 ms':>9} {'B failed':>9} {'A sent':>9} {'A let in':>9}")
    ratios = []
    for _ in range(pairs):
        p99 = []
        for with_noise in [False, True]:
            noise = start_wrk(port, 20 * limit, bearer["noisy"], tenant="noisy", connections=64) if with_noise else None
            quiet = result_of(start_wrk(port, own, bearer["quiet"], tenant="quiet", connections=64))
            noisy = result_of(noise) if noise else {"requests": 0, "not_2xx": 0}
            p99.append(quiet["p99_ms"])
            print(f"{'with A' if with_noise else 'without A':<34} {quiet['p50_ms']:>9.2f} {quiet['p99_ms']:>9.2f} "
                  f"{quiet['not_2xx'] + quiet['broken']:>9,} {noisy['requests']:>9,} "
                  f"{noisy['requests'] - noisy['not_2xx']:>9,}", flush=True)
        ratios.append(p99[1] / p99[0])
    stop(server)
    ratios.sort()
    print(f"B's p99 with A against without: {ratios[len(ratios) // 2]:.2f} (median of {pairs} pairs; "
          f"{ratios[0]:.2f} to {ratios[-1]:.2f})")


def peer(model):
    redis_port, port = free_port(), free_port()
    redis = subprocess.Popen(["redis-server", "--port", str(redis_port), "--save", "", "--appendonly", "no"],
                             stdout=subprocess.DEVNULL, cwd=WORK)
    app = subprocess.Popen(
        [PYTHON, "-m", "uvicorn", "fastapi_service:app", "--app-dir", HERE / "peers", "--port", str(port),
         "--workers", "2", "--log-level", "critical"],
        env={**os.environ, "PEER_MODEL": str(model), "PEER_REDIS": str(redis_port), "OMP_NUM_THREADS": "1"})
    try:
        ready(port, "/openapi.json", 60)
        wrk_seconds = descendants(app.pid) + [redis.pid]
        before = cpu_seconds(wrk_seconds)
        result = wrk(port, 0, "none")
        return row("FastAPI + LightGBM + Redis", result, cpu_seconds(wrk_seconds) - before, wrk_seconds)
    finally:
        app.terminate()
        redis.terminate()
        app.wait(timeout=30)
        redis.wait(timeout=30)


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        cpu = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    load = os.getloadavg()[0]
    print(f"{time.strftime('%F')}, {os.cpu_count()} CPUs ({cpu}), load {load:.1f} before the run; {SECONDS} s each\n")
    if ONLY == "neighbours":
        return neighbours()
    if ONLY == "retrain":
        return retrain()
    if ONLY == "backtest":
        return backtest()
    if ONLY == "hybrid":
        return hybrid()
    if ONLY == "swap":
        return swap()
    mine, model = ours()
    neighbours()
    other = peer(model)
    print(f"\nrequests per CPU-second: {1e6 / mine:,.0f} against {1e6 / other:,.0f}, {other / mine:.1f} times")


main()
