"""Every method against a real controller and a real agent, and beside it
Sahara's own SSH driver against a real sshd on the same instance, where that
one works. A test of the agent alone says why.

Environment: CONTROLLER_SOCKET, QUEUE_URL, SHARED (a directory).
"""

import sahara_world

import os
import pathlib
import socket
import sys
import time
import types
import unittest
import uuid

import eventlet
import requests
from sahara import context
from sahara import exceptions
from sahara.utils import crypto
import chamber
import ssh_driver

CLUSTER = str(uuid.uuid4())
WORKER = str(uuid.uuid4())

_fixture = types.SimpleNamespace()


def setUpModule():
    why = chamber.why_impossible()
    if why is not None:
        raise unittest.SkipTest('no namespaces here: ' + why)
    shared = os.environ['SHARED']
    driver = sahara_world.set_up_driver(
        controller_socket=os.environ['CONTROLLER_SOCKET'], enrolment_wait=60,
        # Its network is this machine's, which has no metadata service.
        metadata_challenge=False)
    _fixture.key, public_key = crypto.generate_key_pair()
    _fixture.chambers = chamber.Chambers(shared, os.environ['QUEUE_URL'])
    unittest.addModuleCleanup(_fixture.chambers.close)
    script = sahara_world.make_user_data(driver, CLUSTER, public_key,
                                         chamber.USER)
    # The network is this machine's, for Sahara must reach the sshd.
    _fixture.chambers.boot('worker-1', WORKER, script, own_network=False,
                           more=ssh_driver.start_sshd(shared))
    instance = sahara_world.an_instance(
        'worker-1', WORKER, cluster=CLUSTER, user=chamber.USER,
        management_ip='127.0.0.1', internal_ip='127.0.0.1')
    _fixture.agent = driver.get_remote(instance)
    try:
        _fixture.agent.execute_command('true')
    except Exception:
        print(_fixture.chambers.report())
        raise
    ssh = ssh_driver.get_remote(instance, _fixture.key,
                                ssh_driver.read_port(shared))
    # One connection for all tests: each costs more than a second of CPU.
    _fixture.ssh = ssh.__enter__()
    unittest.addModuleCleanup(ssh.__exit__)


class SideBySide(unittest.TestCase):
    """``self.both(what)`` runs ``what`` with either remote."""

    def setUp(self):
        self.agent, self.ssh = _fixture.agent, _fixture.ssh

    def both(self, what):
        """What both give, which must be the same."""
        results = []
        for remote in (self.ssh, self.agent):
            remote.execute_command('rm -rf work && mkdir work')
            try:
                results.append(what(remote))
            except exceptions.SubprocessException:
                results.append('failed')
        self.assertEqual(*results)
        return results[0]

    # Commands

    def test_code_and_output(self):
        self.assertEqual((3, 'out\n', 'err\n'), self.both(
            lambda r: r.execute_command(
                'echo out; echo err >&2; exit 3', get_stderr=True,
                raise_when_error=False)))

    def test_an_error_is_raised(self):
        self.assertEqual('failed',
                         self.both(lambda r: r.execute_command('false')))

    def test_death_by_a_signal(self):
        self.assertEqual((-1, ''), self.both(
            lambda r: r.execute_command('kill -KILL $$',
                                        raise_when_error=False)))

    def test_user_directory_and_environment(self):
        code, said = self.both(lambda r: r.execute_command(
            'pwd; id -un; id -Gn; echo $HOME $USER $LOGNAME $SHELL; umask'))
        self.assertIn('/home/tester\ntester\n', said)

    def test_what_bashrc_says_is_in_effect(self):
        self.both(lambda r: r.execute_command(
            'printf "export FROM_RC=yes\n" > .bashrc'))
        self.assertEqual((0, 'yes,none\n'), self.both(
            lambda r: r.execute_command(
                'echo $FROM_RC,${BASH_ENV:-none}')))

    def test_root_expands_dollars_as_the_login_user(self):
        said = self.both(lambda r: r.execute_command(
            'echo $HOME `id -un` $(id -un) "quoted" \\back '
            "'single'; id -un; pwd", run_as_root=True))
        self.assertEqual(
            (0, '/home/tester root tester quoted back single\nroot\n'
                '/home/tester\n'), said)

    def test_a_shell_script_with_several_lines(self):
        self.both(lambda r: r.execute_command(
            'cat <<END\n$USER\nEND\nfor i in 1 2 3; do\n echo $i\ndone'))

    def test_a_pipe_and_its_failure(self):
        self.both(lambda r: r.execute_command(
            'printf "a\\nb\\n" | grep -c c', raise_when_error=False))

    def test_a_missing_program(self):
        self.assertEqual(127, self.both(lambda r: r.execute_command(
            'no-such-program', raise_when_error=False))[0])

    # Files

    def test_files_keep_text_and_owner(self):
        for as_root in (False, True):
            said = self.both(lambda r: (
                r.write_file_to('work/a', 'text\n', run_as_root=as_root),
                r.execute_command('stat -c "%U %G %a" work/a; cat work/a'),
                r.read_file_from('work/a', run_as_root=as_root)))
            self.assertEqual((None, (0, 'tester tester 644\ntext\n'),
                              'text\n'), said)

    def test_a_file_that_is_there_keeps_its_mode(self):
        self.both(lambda r: (
            r.execute_command('echo old > work/a; chmod 600 work/a'),
            r.write_file_to('work/a', 'new'),
            r.execute_command('stat -c "%U %a" work/a; cat work/a')))

    def test_a_file_of_root_s_is_replaced(self):
        self.both(lambda r: (
            r.execute_command('echo old > work/a; chmod 600 work/a; '
                              'chown root: work/a', run_as_root=True),
            r.write_file_to('work/a', 'new', run_as_root=True),
            r.execute_command('stat -c "%U %a" work/a; cat work/a')))

    def test_a_writable_file_in_a_directory_that_is_not(self):
        said = self.both(lambda r: (
            r.execute_command(
                'rm -rf /opt/d; mkdir /opt/d; echo old > /opt/d/a; '
                'chown tester /opt/d/a', run_as_root=True),
            r.write_file_to('/opt/d/a', 'new'),
            r.append_to_file('/opt/d/a', 'er'),
            r.read_file_from('/opt/d/a')))
        self.assertEqual('newer', said[-1])

    def test_appending(self):
        for as_root in (False, True):
            self.both(lambda r: (
                r.append_to_file('work/a', 'one\n', run_as_root=as_root),
                r.append_to_file('work/a', 'two\n', run_as_root=as_root),
                r.append_to_files({'work/a': 'three', 'work/b': 'four'},
                                  run_as_root=as_root),
                r.execute_command('stat -c "%U %a" work/a work/b; '
                                  'cat work/a work/b')))

    def test_prepending(self):
        said = self.both(lambda r: (
            r.write_file_to('work/a', 'two\n'),
            r.prepend_to_file('work/a', 'one\n', run_as_root=True),
            r.execute_command('stat -c "%U %a" work/a; cat work/a')))
        self.assertEqual('tester 644\none\ntwo\n', said[-1][1])

    def test_many_files(self):
        files = {'work/%d' % i: 'content %d' % i for i in range(20)}
        self.both(lambda r: (r.write_files_to(files),
                             r.execute_command('tail -n +1 work/*')))

    def test_bytes(self):
        data = bytes(range(256))
        self.assertEqual(data, self.both(lambda r: (
            r.write_file_to('work/a', data),
            r.read_file_from('work/a'))[1]))

    def test_through_a_symbolic_link(self):
        self.both(lambda r: (
            r.execute_command('echo old > work/a; ln -s a work/l'),
            r.write_file_to('work/l', 'new'),
            r.execute_command('readlink work/l; cat work/a')))

    def test_what_is_not_allowed_or_not_there(self):
        for what in (lambda r: r.read_file_from('work/none'),
                     lambda r: r.read_file_from('/etc/shadow'),
                     lambda r: r.write_file_to('/etc/none', 'x'),
                     lambda r: r.write_file_to('work/none/a', 'x'),
                     lambda r: r.write_file_to('work', 'x')):
            self.assertEqual('failed', self.both(what))

    def test_replacing_strings_and_lines(self):
        said = self.both(lambda r: (
            r.write_file_to('work/a', 'key=old\nother=old/path\n'),
            r.replace_remote_string('work/a', 'old/path', '/new/path'),
            r.replace_remote_line('work/a', 'key=', 'key=new'),
            r.read_file_from('work/a')))
        self.assertEqual('key=new\nother=/new/path\n', said[-1])

    def test_python_version(self):
        self.assertEqual('python3',
                         self.both(lambda r: r.get_python_version()))

    def test_http(self):
        with socket.create_server(('127.0.0.1', 0)) as probe:
            port = probe.getsockname()[1]
        self.agent.execute_command('%s %s/small_service.py %d &' % (
            sys.executable, chamber.HERE, port))
        base = 'http://127.0.0.1:%d' % port

        def talk(remote):
            session = remote.get_http_client(port)
            answers = [
                session.get(base + '/echo?a=b', headers={'X-Test': 'ü'.encode(
                    'latin-1')}),
                session.post(base + '/echo', data='<xml/>'),
                session.put(base + '/echo', data=b'x' * 3000000),
                session.get(base + '/moved'), session.get(base + '/zipped'),
                session.get(base + '/none')]
            remote.close_http_session(port)
            return [(one.status_code, one.text, one.reason,
                     one.cookies.get_dict(), one.url) for one in answers]
        while self.agent.execute_command(
                'exec 3<>/dev/tcp/127.0.0.1/%d' % port,
                raise_when_error=False)[0]:
            pass
        self._require_http(port)
        self.assertEqual(talk(self.ssh), talk(self.agent))
        with self.assertRaises(requests.exceptions.InvalidURL):
            # Sahara must not be led elsewhere by what runs in a guest.
            self.agent.get_http_client(port).get(base + '/away')
        with self.assertRaises(requests.exceptions.ConnectionError):
            self.agent.get_http_client(1).get('http://127.0.0.1:1/')

    def _require_http(self, port):
        try:
            self.agent.get_http_client(port).get('http://127.0.0.1:%d/' % port)
        except requests.exceptions.ConnectionError as error:
            if error.args[0].reason_code == 'unknown-operation':
                self.skipTest('this agent has no operation "http" yet')
            raise

    def test_neutron_info(self):
        context.set_ctx(context.Context(tenant_name='tenant'))
        mine = self.agent.get_neutron_info()
        self.assertEqual({'network', 'tenant', 'host', 'token'}, set(mine))
        # No way into the tenant's network is needed: nobody gets a token.
        self.assertIsNone(mine['token'])


class AgentAlone(unittest.TestCase):
    """Where the SSH driver fails (sahara-contract.md, section 5)."""

    def setUp(self):
        self.remote = _fixture.agent

    def test_output_over_64_kib(self):
        # SSH: UnpicklingError, pickle data was truncated.
        code, said = self.remote.execute_command('seq 1 2000000')
        self.assertEqual(14888896, len(said))
        self.assertTrue(said.endswith('2000000\n'))

    def test_a_bashrc_that_starts_a_bash_is_read_once(self):
        # SSH: the first bash that it starts reads it again. Were it to go on
        # so, it would start processes without end.
        self.remote.write_file_to('.bashrc', (
            'export DEPTH=1$DEPTH\n'
            '[ ${#DEPTH} -lt 5 ] || return\n'
            'SEEN=$(bash -c "echo \\$DEPTH")\n'
            'return 3\n'))
        self.addCleanup(self.remote.execute_command, 'rm .bashrc')
        self.assertEqual((0, '1 1 0\n'), self.remote.execute_command(
            'echo $DEPTH $SEEN $?'))

    def test_a_file_of_32_mib_and_back(self):
        data = os.urandom(32 * 1024 * 1024)
        self.remote.write_file_to('big', data)
        self.assertEqual(data, self.remote.read_file_from('big'))

    def test_text_that_is_not_ascii(self):
        # SSH: raises although the file was written.
        self.remote.write_file_to('a', 'Grüße, 世界\n')
        self.assertEqual('Grüße, 世界\n', self.remote.read_file_from('a'))

    def test_output_that_is_not_text(self):
        # SSH: UnicodeDecodeError.
        self.assertEqual((0, 'a\ufffdb'), self.remote.execute_command(
            "printf 'a\\377b'"))

    def test_megabytes_on_stderr(self):
        # SSH: hangs until the time-out.
        code, out, err = self.remote.execute_command(
            'head -c 5000000 /dev/zero | tr "\\0" e >&2; echo done',
            get_stderr=True)
        self.assertEqual((0, 'done\n', 5000000), (code, out, len(err)))

    def test_a_background_process_is_not_waited_for(self):
        # SSH: waits for it.
        began = time.monotonic()
        _, pid = self.remote.execute_command('sleep 60 & echo $!')
        self.assertLess(time.monotonic() - began, 30)
        # Jobs are started like this: it must live on.
        self.assertEqual(0, self.remote.execute_command('kill -0 ' + pid)[0])

    def test_a_time_out_ends_the_command(self):
        # SSH: it runs on, and the next call gets its result.
        with self.remote as remote:
            with self.assertRaises(exceptions.TimeoutException):
                remote.execute_command(
                    'echo begun > mark; sleep 55.5', timeout=2)
            self.assertEqual((0, 'next\n'),
                             remote.execute_command('echo next'))
            for _ in range(100):
                if remote.execute_command('pgrep -f "[s]leep 55.5"',
                                          raise_when_error=False)[0]:
                    break
            else:
                self.fail('it runs on')

    def test_a_very_long_command(self):
        text = 'echo %s | wc -c' % ('x' * 200000)
        self.assertEqual((0, '200001\n'), self.remote.execute_command(text))

    def test_quotes_in_what_is_replaced(self):
        # SSH: the quotes vanish.
        self.remote.write_file_to('a', "it's old\n")
        self.remote.replace_remote_string('a', "it's old", "it's new")
        self.assertEqual("it's new\n", self.remote.read_file_from('a'))

    def test_the_operating_system(self):
        # SSH: platform.linux_distribution is gone from Python.
        fields = dict(line.strip().split('=', 1) for line in
                      pathlib.Path('/etc/os-release').read_text().splitlines()
                      if '=' in line)
        self.assertEqual(fields['ID'].strip('"'),
                         self.remote.get_os_distrib())
        self.assertEqual(fields['VERSION_ID'].strip('"'),
                         self.remote.get_os_version())

    def test_packages_go_to_the_package_manager(self):
        self.remote.write_file_to(
            '/usr/local/sbin/apt-get',
            '#!/bin/sh\necho $RUNLEVEL "$@" >>/tmp/apt\n', run_as_root=True)
        self.remote.execute_command('chmod 755 /usr/local/sbin/apt-get',
                                    run_as_root=True)
        self.remote.update_repository()
        self.remote.install_packages(['ntp', 'lib$odd'])
        self.assertEqual('update\n1 install -y ntp lib$odd\n',
                         self.remote.read_file_from('/tmp/apt').lstrip())

    def test_a_conversation_on_a_terminal(self):
        # SSH: TypeError, it adds bytes to text.
        matcher = Matcher({'name? ': 'sahara', 'again? ': 'yes'}, 'goodbye')
        self.remote.execute_on_vm_interactive(
            'tty; read -p "name? " n; read -p "again? " a; '
            'echo "$n $a" > said; echo good""bye', matcher)
        self.assertEqual('sahara yes\n', self.remote.read_file_from('said'))
        self.assertIn('/dev/pts/', matcher.seen)

    def test_a_conversation_that_does_not_end(self):
        with self.assertRaises(exceptions.TimeoutException):
            self.remote.execute_on_vm_interactive(
                'sleep 77.7', Matcher({}, 'never'), timeout=3)
        for _ in range(100):
            if self.remote.execute_command('pgrep -f "[s]leep 77.7"',
                                           raise_when_error=False)[0]:
                return
        self.fail('it runs on')

    def test_a_shell_that_ends_too_soon(self):
        with self.assertRaises(exceptions.SubprocessException):
            self.remote.execute_on_vm_interactive(
                'exit', Matcher({}, 'never'), timeout=60)

    def test_many_calls_at_once(self):
        pool = eventlet.GreenPool(200)
        said = list(pool.imap(
            lambda i: self.remote.execute_command('echo %d' % i)[1],
            range(200)))
        self.assertEqual(['%d\n' % i for i in range(200)], said)


class Matcher:
    """Answers prompts; satisfied when it has seen ``end``."""

    def __init__(self, answers, end):
        self._answers = dict(answers)
        self._end = end
        self.seen = ''

    def get_response(self, buf):
        for prompt in self._answers:
            if buf.endswith(prompt):
                self.seen += buf
                return self._answers.pop(prompt)
        return None

    def is_eof(self, buf):
        return self._end in buf


if __name__ == '__main__':
    unittest.main()
