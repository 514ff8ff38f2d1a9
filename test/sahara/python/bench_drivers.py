"""The driver beside Sahara's own SSH driver, for `npm run bench -- sahara`.

Writes one line of JSON: {"cases": [{"what", "side", "ms": [...], "cpu_ms",
"peak_bytes"}], "skipped": [{"side", "reason"}], "ssh_process_bytes"}.
Both sides take turns. CPU is that of the engine's side: this process, and the
processes that the SSH driver starts.

Environment: CONTROLLER_SOCKET, QUEUE_URL, SHARED (a directory), SECONDS,
INSTANCES.
"""

import sahara_world

import json
import os
import pathlib
import resource
import time
import uuid

import eventlet
from sahara import context
from sahara.utils import crypto
import chamber
import ssh_driver

CLUSTER = str(uuid.uuid4())
TICKS_PER_SECOND = os.sysconf('SC_CLK_TCK')
CALL_LIMIT_SECONDS = 240
BOOTING_AT_ONCE = 5
OURS, THEIRS = 'agent driver', 'SSH driver'


def main():
    why = chamber.why_impossible()
    if why is not None:
        return {'cases': [], 'skipped': [
            {'side': 'both drivers', 'reason': 'no namespaces: ' + why}]}
    shared = os.environ['SHARED']
    chambers = chamber.Chambers(shared, os.environ['QUEUE_URL'])
    try:
        return measure(shared, chambers)
    except Exception:
        print(chambers.report())
        raise
    finally:
        chambers.close()


def measure(shared, chambers):
    driver = sahara_world.set_up_driver(
        controller_socket=os.environ['CONTROLLER_SOCKET'], enrolment_wait=120,
        metadata_challenge=False)
    key, public_key = crypto.generate_key_pair()
    script = sahara_world.make_user_data(driver, CLUSTER, public_key,
                                         chamber.USER)
    instances = []
    for number in range(1, int(os.environ['INSTANCES']) + 1):
        name, instance = 'worker-%d' % number, str(uuid.uuid4())
        more = ssh_driver.start_sshd(shared) if number == 1 else ''
        chambers.boot(name, instance, script, own_network=False, more=more)
        instances.append(sahara_world.an_instance(
            name, instance, cluster=CLUSTER, user=chamber.USER,
            management_ip='127.0.0.1', internal_ip='127.0.0.1'))
        if number % BOOTING_AT_ONCE == 0:
            # All at once, they would keep each other from enrolling.
            await_instances(driver, instances)
    await_instances(driver, instances)
    ours = [driver.get_remote(instance) for instance in instances]
    port = ssh_driver.read_port(shared)
    # All of them lead to the one sshd: to the engine that makes no difference.
    theirs = [ssh_driver.get_remote(instance, key, port)
              for instance in instances]
    return compare(ours, theirs, float(os.environ['SECONDS']))


def await_instances(driver, instances):
    for instance in instances[-BOOTING_AT_ONCE:]:
        driver.get_remote(instance).execute_command('true')


def compare(ours, theirs, seconds):
    cases, skipped = [], []
    inside = [('a call inside `with`', lambda r: r.execute_command('true'))]
    for mebibytes in (1, 32):
        text = os.urandom(mebibytes * 512 * 1024).hex()
        path = 'bench-%d' % mebibytes
        inside += [
            ('write %d MiB' % mebibytes,
             lambda r, path=path, text=text: r.write_file_to(path, text)),
            ('read %d MiB' % mebibytes,
             lambda r, path=path, text=text: check(
                 r.read_file_from(path), text))]
    for what, call in inside:
        # A new one for each: the SSH driver's is useless after a failure.
        with ours[0] as our_open, theirs[0] as their_open:
            take_turns((what, our_open, their_open, call), seconds / 7,
                       cases, skipped)
    for pair in (
            ('an unpooled call', ours[0], theirs[0],
             lambda r: r.execute_command('true')),
            ('`true` on %d instances' % len(ours), ours, theirs, on_all)):
        take_turns(pair, seconds / 7, cases, skipped)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {'cases': cases, 'skipped': skipped, 'ssh_process_bytes': peak}


def check(got, wanted):
    if got != wanted:
        raise ValueError('%d of %d characters came back' % (
            len(got), len(wanted)))


def on_all(remotes):
    asked_by = context.ctx()

    def call(remote):
        # The SSH driver looks for it in each thread, as Sahara's have it.
        context.set_ctx(asked_by)
        remote.execute_command('true')
    for _ in eventlet.GreenPool(len(remotes)).imap(call, remotes):
        pass


def take_turns(pair, seconds, cases, skipped):
    """At least one round after one that is not counted, then until the time
    is over."""
    what, ours, theirs, call = pair
    sides = {OURS: ours, THEIRS: theirs}
    found = {side: {'what': what, 'side': side, 'ms': [], 'cpu_ms': 0,
                    'peak_bytes': 0} for side in sides}
    end = time.monotonic() + seconds
    rounds = 0
    while sides and (rounds < 2 or time.monotonic() < end):
        order = list(sides)
        for side in order if rounds % 2 == 0 else reversed(order):
            try:
                sample = run_once(call, sides[side])
            except BaseException as error:
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
                skipped.append({'side': '%s: %s' % (side, what), 'reason': (
                    '%s: %s' % (type(error).__name__, error)
                    ).splitlines()[0][:300]})
                del sides[side]
                continue
            if rounds > 0:
                add(found[side], *sample)
        rounds += 1
    for one in found.values():
        one['cpu_ms'] /= len(one['ms']) or 1
        cases.append(one)


def run_once(call, remote):
    # From here on VmHWM counts anew (proc_pid_clear_refs(5)).
    pathlib.Path('/proc/self/clear_refs').write_text('5')
    helpers = helpers_seconds()
    own, began = own_seconds(), time.monotonic()
    with eventlet.Timeout(CALL_LIMIT_SECONDS):
        call(remote)
    took = (time.monotonic() - began) * 1000
    # To look at the helpers costs time of our own, which is not the call's.
    own = own_seconds() - own
    helpers = helpers_seconds() - helpers
    return took, (own + helpers) * 1000, peak_bytes()


def add(found, took, cpu, peak):
    found['ms'].append(took)
    found['cpu_ms'] += cpu
    found['peak_bytes'] = max(found['peak_bytes'], peak)


def own_seconds():
    """Of the processor, for this process and its ended children."""
    return time.process_time() + sum(
        resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def helpers_seconds():
    """The same for the processes of the SSH driver that still run."""
    total = 0
    for entry in pathlib.Path('/proc').iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / 'cmdline').read_bytes().split(b'\0')
            # In our directory: other tests may be at work on this machine.
            helper = os.fsencode(
                os.environ['SHARED'] + '/_sahara-subprocess') in words
            if not helper:
                continue
            stat = (entry / 'stat').read_text().rpartition(')')[2].split()
        except OSError:
            continue
        # utime and stime (proc_pid_stat(5)).
        total += sum(map(int, stat[11:13])) / TICKS_PER_SECOND
    return total


def peak_bytes():
    for line in pathlib.Path('/proc/self/status').read_text().splitlines():
        if line.startswith('VmHWM:'):
            return int(line.split()[1]) * 1024
    raise RuntimeError('this kernel does not say VmHWM')


if __name__ == '__main__':
    print(json.dumps(main()))
