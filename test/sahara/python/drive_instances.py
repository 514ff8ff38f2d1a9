"""Makes calls through the driver as Sahara's engine does: each in a green
thread of its own, all at once. A test ends it, or what it talks to, meanwhile.

Reads one line of JSON from standard input: {"settings": options of the driver,
"user": login user, "calls": [{"cluster", "uuid", "command"}]}. Writes a line
of JSON for each call as it ends: {"call": its number, "code", "stdout"} or
{"call", "error": class, "message"}.
"""

import sahara_world

import json
import sys

import eventlet


def main():
    job = json.loads(sys.stdin.readline())
    driver = sahara_world.set_up_driver(**job['settings'])
    pool = eventlet.GreenPool(len(job['calls']))
    for number, call in enumerate(job['calls']):
        pool.spawn(make_call, driver, job['user'], number, call)
    pool.waitall()


def make_call(driver, user, number, call):
    instance = sahara_world.an_instance(
        call['uuid'], call['uuid'], cluster=call['cluster'], user=user)
    try:
        code, stdout = driver.get_remote(instance).execute_command(
            call['command'], raise_when_error=False, timeout=240)
        ended = {'code': code, 'stdout': stdout}
    except Exception as error:
        ended = {'error': type(error).__name__, 'message': str(error)}
    sys.stdout.write(json.dumps(dict(ended, call=number)) + '\n')
    sys.stdout.flush()


if __name__ == '__main__':
    main()
