"""What the driver does when the controller, or time, is not kind."""

import sahara_world

import base64
import os
import threading
import time
import unittest
from unittest import mock

import eventlet
from eventlet import timeout as e_timeout
import fake_controller
import greenlet
import requests
from sahara import exceptions
from sahara.utils.openstack import nova
from sahara_remote_agent import deadline
from sahara_remote_agent import errors
from sahara_remote_agent import fair_slots
from sahara_remote_agent import guest_os
from sahara_remote_agent import interactive


class WithController(unittest.TestCase):
    settings = {}

    def setUp(self):
        self.controller = fake_controller.FakeController()
        self.addCleanup(self.controller.close)
        self.driver = sahara_world.set_up_driver(
            controller_socket=self.controller.socket_path, enrolment_wait=0,
            **self.settings)
        self.instance = sahara_world.an_instance()
        self.controller.enrol(sahara_world.CLUSTER,
                              self.instance.instance_id.upper(), 'worker-1')
        self.remote = self.driver.get_remote(self.instance)


class Commands(WithController):

    def test_give_code_and_text(self):
        self.controller.behaviour = lambda *_: (
            {'stdout': 'grüße\n'.encode(), 'stderr': b'\xff!'},
            {'exitCode': 3})
        self.assertEqual(
            (3, 'grüße\n', '\ufffd!'), self.remote.execute_command(
                'x', get_stderr=True, raise_when_error=False))

    def test_raise_what_both_kinds_of_callers_catch(self):
        self.controller.behaviour = lambda *_: (
            {'stderr': b'no such thing'}, {'exitCode': 2})
        for caught in (exceptions.RemoteCommandException,
                       exceptions.SubprocessException):
            with self.assertRaises(caught) as raised:
                self.remote.execute_command('frobnicate')
        self.assertEqual(2, raised.exception.ret_code)
        self.assertIn('no such thing', str(raised.exception))

    def test_give_minus_one_for_a_signal(self):
        self.controller.behaviour = lambda *_: ({}, {'signal': 'SIGKILL'})
        self.assertEqual((-1, ''), self.remote.execute_command(
            'x', raise_when_error=False))

    def test_raise_the_rule_that_refused_them(self):
        self.controller.behaviour = lambda *_: ({}, {
            'state': 'refused', 'rule': 'exec.users',
            'reason': {'code': 'policy', 'message': 'not as root'}})
        with self.assertRaises(errors.RemoteFailure) as raised:
            self.remote.execute_command('x', raise_when_error=False)
        self.assertIn('exec.users', str(raised.exception))
        self.assertEqual('policy', raised.exception.reason_code)

    def test_are_posted_once_though_the_answer_was_lost(self):
        self.controller.mischief = {
            ('POST', '/v1/clusters/'): ['answer-and-drop', 'drop', 503]}
        self.remote.execute_command('x')
        self.assertEqual(1, len(self.controller.commands))

    def test_survive_a_controller_that_is_restarted(self):
        self.controller.mischief = {
            ('GET', '/v1/commands/'): ['drop', 'drop', 502],
            ('GET', '/v1/clusters/'): ['drop', 503]}
        self.assertEqual((0, ''), self.remote.execute_command('x'))

    def test_with_an_altered_output_are_errors(self):
        self.controller.behaviour = lambda *_: ({'stdout': b'true'},
                                                {'exitCode': 0})
        original = fake_controller._Handler._command

        def altered(handler, controller, parts, query):
            status, answer = original(handler, controller, parts, query)
            return status, b'lies' if answer == b'true' else answer
        fake_controller._Handler._command = altered
        self.addCleanup(setattr, fake_controller._Handler, '_command',
                        original)
        with self.assertRaisesRegex(errors.RemoteFailure, 'digest'):
            self.remote.execute_command('x')

    def test_on_a_dead_controller_name_it(self):
        os.unlink(self.controller.socket_path)
        with self.assertRaises(errors.ControllerUnavailable):
            self.remote.execute_command('x', timeout=1)

    def test_reuse_one_connection(self):
        for _ in range(20):
            self.remote.execute_command('x')
        self.assertEqual(1, self.controller.connections)


class Output(WithController):
    settings = {'output_limit_bytes': 1024 * 1024}

    def test_up_to_the_limit_is_fetched(self):
        self.controller.behaviour = lambda *_: (
            {'stdout': b'x' * 1024 * 1024}, {'exitCode': 0})
        self.assertEqual((0, 'x' * 1024 * 1024),
                         self.remote.execute_command('x'))

    def test_beyond_the_limit_is_an_error_and_never_fetched(self):
        self.controller.behaviour = lambda *_: (
            {'stdout': b'x' * 1024 * 1024, 'stderr': b'y'}, {'exitCode': 0})
        with self.assertRaises(errors.OutputTooLarge) as raised:
            self.remote.execute_command('x')
        self.assertIn('1048577 bytes', str(raised.exception))
        self.assertEqual([], self.controller.seen('GET', 'output'))

    def test_beyond_what_was_announced_is_an_error(self):
        self.controller.behaviour = lambda *_: (
            {'stdout': b'x' * 4 * 1024 * 1024},
            {'exitCode': 0})
        original = fake_controller._Command.end

        def announce_less(ended, *arguments):
            original(ended, *arguments)
            ended.result['streams']['stdout']['size'] = 10
        fake_controller._Command.end = announce_less
        self.addCleanup(setattr, fake_controller._Command, 'end', original)
        with self.assertRaises(errors.RemoteFailure) as raised:
            self.remote.execute_command('x')
        self.assertIn('than the agent announced', str(raised.exception))


class Conversations(unittest.TestCase):

    def test_show_a_matcher_a_bounded_end(self):
        shown = []

        class Api:
            def send_input(self, *_):
                return {'id': 'x', 'ended': True, 'state': 'succeeded'}

            def follow_output(self, *_):
                for _ in range(64):
                    yield b'x' * 4096
                yield b'password: '

        class Matcher:
            def get_response(self, seen):
                shown.append(len(seen))
                return 'geheim' if seen.endswith('password: ') else None

            def is_eof(self, seen):
                return len(shown) == 65

        interactive._type_and_match(Api(), 'x', 'ls', Matcher(),
                                    deadline.Deadline(10))
        self.assertEqual(interactive.SEEN_CHARACTERS, max(shown))


class TimeOuts(WithController):

    def setUp(self):
        super().setUp()
        self.controller.behaviour = lambda *_: None

    def test_cancel_the_command(self):
        with self.assertRaises(exceptions.TimeoutException):
            self.remote.execute_command('x', timeout=0.3)
        self.assertTrue(self._only_command().cancelled)

    def test_of_the_agent_are_the_same_error(self):
        self.controller.behaviour = lambda *_: ({}, {'state': 'timed-out'})
        with self.assertRaises(exceptions.TimeoutException):
            self.remote.execute_command('x')

    def test_of_the_caller_cancel_the_command_as_well(self):
        with self.assertRaises(e_timeout.Timeout):
            with e_timeout.Timeout(0.3):
                self.remote.execute_command('x')
        self.assertTrue(self._only_command().cancelled)

    def test_of_the_caller_may_look_like_sahara_s_own(self):
        with self.assertRaises(exceptions.TimeoutException):
            with e_timeout.Timeout(0.3, exceptions.TimeoutException(1)):
                self.remote.execute_command('x')
        self.assertTrue(self._only_command().cancelled)

    def test_leave_nothing_for_the_next_call(self):
        with self.remote as remote:
            with self.assertRaises(exceptions.TimeoutException):
                remote.execute_command('x', timeout=0.2)
            self.controller.behaviour = lambda *_: ({'stdout': b'second'},
                                                    {'exitCode': 0})
            self.assertEqual((0, 'second'), remote.execute_command('y'))

    def test_when_killed_cancel_the_command(self):
        thread = eventlet.spawn(self.remote.execute_command, 'x')
        while not self.controller.commands:
            eventlet.sleep(0.01)
        thread.kill()
        with self.assertRaises(greenlet.GreenletExit):
            thread.wait()
        self.assertTrue(self._only_command().cancelled)

    def _only_command(self):
        (command,) = self.controller.commands.values()
        return command


class Files(WithController):

    def setUp(self):
        super().setUp()
        self.operations = []
        self.controller.behaviour = self._behave

    def _behave(self, operation, content):
        if operation['name'] == 'exec':
            return {'stdout': b'1000\n1001\n/home/me'}, {'exitCode': 0}
        self.operations.append((operation, content))
        return ({'content': b'\xff\x00'} if operation['name'] == 'read'
                else {}), {}

    def test_written_as_root_belong_to_the_login_user(self):
        self.remote.write_file_to('a', 'ü', run_as_root=True)
        operation, content = self.operations[0]
        self.assertEqual({'name': 'write', 'placement': 'replace',
                          'user': 'root', 'path': '/home/me/a',
                          'mode': '0644', 'owner': '1000:1001'}, operation)
        self.assertEqual({'bytes': base64.urlsafe_b64encode(
            'ü'.encode()).decode().rstrip('=')}, content)

    def test_of_any_size_are_stored_first(self):
        data = os.urandom(3000000)
        self.remote.append_to_files({'/a': data})
        digest = self.operations[0][1]['sha256']
        self.assertEqual(data, self.controller.contents[digest])

    def test_that_are_not_text_come_as_bytes(self):
        self.assertEqual(b'\xff\x00', self.remote.read_file_from('/a'))

    def test_that_are_missing_are_errors(self):
        self.controller.behaviour = lambda operation, _: (
            ({'stdout': b'0\n0\n/root'}, {'exitCode': 0})
            if operation['name'] == 'exec' else ({}, {
                'state': 'failed', 'reason': {
                    'code': 'no-such-file', 'message': 'no /a'}}))
        with self.assertRaisesRegex(exceptions.SubprocessException, 'no /a'):
            self.remote.read_file_from('/a')


class Enrolment(WithController):

    def test_that_has_not_happened_is_an_error_of_the_family(self):
        other = self.driver.get_remote(sahara_world.an_instance('late'))
        with self.assertRaisesRegex(exceptions.SubprocessException, 'late'):
            other.execute_command('x')

    def test_of_two_that_claim_one_uuid_is_refused_by_name(self):
        self.controller.enrol(sahara_world.CLUSTER,
                              self.instance.instance_id, 'thief')
        with self.assertRaises(errors.InstanceAmbiguous) as raised:
            self.remote.execute_command('x')
        self.assertIn('thief, worker-1', str(raised.exception))
        self.assertEqual({}, self.controller.commands)

    def test_is_waited_for(self):
        driver = sahara_world.set_up_driver(
            controller_socket=self.controller.socket_path, enrolment_wait=30)
        late = sahara_world.an_instance('late')
        eventlet.spawn_after(0.5, self.controller.enrol, sahara_world.CLUSTER,
                             late.instance_id, 'late')
        self.assertEqual((0, ''), driver.get_remote(late)
                         .execute_command('x'))

    def test_of_hundreds_is_asked_for_once_a_second(self):
        driver = sahara_world.set_up_driver(
            controller_socket=self.controller.socket_path, enrolment_wait=30)
        late = [sahara_world.an_instance('late-%d' % i) for i in range(300)]
        threads = [eventlet.spawn(driver.get_remote(instance)
                                  .execute_command, 'x') for instance in late]
        eventlet.sleep(1.5)
        for instance in late:
            self.controller.enrol(sahara_world.CLUSTER, instance.instance_id,
                                  instance.instance_name)
        for thread in threads:
            thread.wait()
        self.assertLess(len(self.controller.seen('GET', 'instances$')), 8)

    def test_anew_under_another_name_is_found(self):
        self.remote.execute_command('x')
        self.controller.instances[sahara_world.CLUSTER].clear()
        self.controller.enrol(sahara_world.CLUSTER,
                              self.instance.instance_id, 'worker-1-again')
        eventlet.sleep(1.1)
        self.assertEqual((0, ''), self.remote.execute_command('x'))


class Challenges(WithController):
    """What an instance must find in its server's metadata."""

    def setUp(self):
        super().setUp()
        self.metadata = []
        self.nova_error = None
        patch = mock.patch.object(nova, 'client', lambda: self)
        patch.start()
        self.addCleanup(patch.stop)
        self.servers = self
        self.controller.challenge_required = True
        self.booting = sahara_world.an_instance('worker-2')
        self.new_remote = self.driver.get_remote(self.booting)

    def set_meta(self, server, metadata):
        if self.nova_error is not None:
            raise self.nova_error
        self.metadata.append((server, metadata))

    def test_are_placed_once_while_an_instance_is_waited_for(self):
        for _ in range(3):
            with self.assertRaises(errors.InstanceUnreachable):
                self.new_remote.execute_command('x')
        uuid = self.booting.instance_id
        self.assertEqual([(uuid, {'the-key': 'of-' + uuid})], self.metadata)

    def test_are_not_placed_for_instances_that_are_there(self):
        self.remote.execute_command('x')
        self.assertEqual([], self.controller.seen('POST', 'challenges'))
        self.assertEqual([], self.metadata)

    def test_are_not_placed_where_user_data_asks_for_none(self):
        self.controller.challenge_required = False
        with self.assertRaises(errors.InstanceUnreachable):
            self.new_remote.execute_command('x')
        self.assertEqual([], self.metadata)

    def test_that_nova_does_not_take_are_tried_again_and_said(self):
        self.nova_error = ValueError('not today')
        with self.assertRaisesRegex(errors.ChallengeImpossible, 'not today'):
            self.new_remote.execute_command('x')
        self.nova_error = None
        with self.assertRaises(errors.InstanceUnreachable):
            self.new_remote.execute_command('x')
        self.assertEqual(1, len(self.metadata))


class Http(WithController):

    def setUp(self):
        super().setUp()
        self.asked = []
        self.controller.behaviour = self._behave
        self.session = self.remote.get_http_client(11000)

    def _behave(self, operation, content):
        self.asked.append((operation, content))
        return {'content': b'{"id": 7}'}, {'answer': {
            'status': 201, 'headers': [['Content-Type', 'application/json'],
                                       ['Transfer-Encoding', 'chunked']]}}

    def test_keeps_the_cookies_that_a_service_sets(self):
        self.controller.behaviour = lambda *_: ({'content': b'{}'}, {
            'answer': {'status': 200, 'headers': [['Set-Cookie', 'a=1'],
                                                  ['set-cookie', 'b=2']]}})
        answer = self.session.get('http://203.0.113.5:11000/')
        self.assertEqual({'a': '1', 'b': '2'}, answer.cookies.get_dict())
        self.assertEqual({'a': '1', 'b': '2'},
                         self.session.cookies.get_dict())

    def test_goes_to_the_address_that_the_guest_knows(self):
        answer = self.session.post('http://203.0.113.5:11000/oozie?a=b',
                                   data='<x/>', headers={'X-A': 'b'})
        operation, content = self.asked[0]
        self.assertEqual((201, {'id': 7}), (answer.status_code,
                                            answer.json()))
        self.assertEqual('http://10.0.0.5:11000/oozie?a=b', operation['url'])
        self.assertIn(['Host', '203.0.113.5:11000'], operation['headers'])
        self.assertIn(['X-A', 'b'], operation['headers'])
        self.assertEqual('POST', operation['method'])
        self.assertEqual({'bytes': 'PHgvPg'}, content)

    def test_goes_nowhere_else(self):
        with self.assertRaises(requests.exceptions.InvalidURL):
            self.session.get('http://169.254.169.254/')
        self.assertEqual([], self.asked)

    def test_sessions_are_kept_until_closed(self):
        self.assertIs(self.session, self.remote.get_http_client(11000))
        self.remote.close_http_session(11000)
        with self.assertRaises(exceptions.NotFoundException):
            self.remote.close_http_session(11000)

    def test_errors_are_what_http_clients_expect(self):
        self.controller.behaviour = lambda *_: ({}, {
            'state': 'failed',
            'reason': {'code': 'connection-refused', 'message': 'refused'}})
        with self.assertRaises(requests.exceptions.ConnectionError):
            self.session.get('http://203.0.113.5:11000/')
        self.controller.behaviour = lambda *_: None
        with self.assertRaises(requests.exceptions.ReadTimeout):
            self.session.get('http://203.0.113.5:11000/', timeout=(0.1, 0.1))


class Concurrency(unittest.TestCase):

    def test_of_one_cluster_does_not_starve_another(self):
        slots = fair_slots.FairSlots(total=2, per_cluster=2)
        order = []
        gate = threading.Event()

        def call(cluster):
            with slots.slot(cluster, deadline.Deadline(30)) as granted:
                gate.wait()
                order.append((cluster, granted))
        threads = [eventlet.spawn(call, 'big') for _ in range(50)]
        eventlet.sleep(0)
        threads.append(eventlet.spawn(call, 'small'))
        eventlet.sleep(0)
        gate.set()
        for thread in threads:
            thread.wait()
        self.assertLess(order.index(('small', True)), 5)

    def test_is_bounded_for_a_cluster_and_gives_up_in_time(self):
        slots = fair_slots.FairSlots(total=9, per_cluster=1)
        with slots.slot('a', deadline.Deadline(1)) as first:
            with slots.slot('a', deadline.Deadline(0.05)) as second:
                with slots.slot('b', deadline.Deadline(0.05)) as other:
                    self.assertEqual((True, False, True),
                                     (first, second, other))
        with slots.slot('a', deadline.Deadline(0.05)) as again:
            self.assertTrue(again)

    def test_gives_back_the_slot_of_a_killed_call(self):
        slots = fair_slots.FairSlots(total=1, per_cluster=1)

        def call():
            with slots.slot('a', deadline.Deadline(30)):
                eventlet.sleep(30)
        holder, waiter = eventlet.spawn(call), eventlet.spawn(call)
        eventlet.sleep(0)
        waiter.kill()
        holder.kill()
        with slots.slot('b', deadline.Deadline(1)) as granted:
            self.assertTrue(granted)


class Forks(WithController):

    def test_do_not_share_connections(self):
        self.remote.execute_command('x')
        child = os.fork()
        if child == 0:
            try:
                self.driver._api._pool._forget_after_fork()
                os._exit(0 if not self.driver._api._pool._idle else 1)
            finally:
                os._exit(2)
        self.assertEqual(0, os.waitpid(child, 0)[1])

    def test_come_after_set_up_which_opens_nothing(self):
        before = os.listdir('/proc/self/fd')
        sahara_world.set_up_driver(controller_socket='/nowhere')
        self.assertEqual(before, os.listdir('/proc/self/fd'))


class GuestOs(unittest.TestCase):
    releases = (
        ('ID=ubuntu\nVERSION_ID="22.04"\n---\n', ('ubuntu', '22.04')),
        ('NAME="Debian"\nID=debian\nVERSION_ID="12"\n---\n',
         ('debian', '12')),
        ('ID="centos"\nVERSION_ID="7"\n---\nCentOS Linux release 7.9.2009 '
         '(Core)\n', ('centos', '7.9.2009')),
        ('ID="rhel"\nVERSION_ID="8.4"\n---\nRed Hat Enterprise Linux release '
         '8.4 (Ootpa)\n', ('redhat', '8.4')),
        ('---\nCentOS release 6.10 (Final)\n', ('centos', '6.10')),
        ('ID=fedora\nVERSION_ID=9\n---\nFedora release 9\n', ('fedora', '9')),
        ('---\n', ('', '')))

    def test_is_read_from_its_release_files(self):
        for text, expected in self.releases:
            self.assertEqual(expected, guest_os.parse_release(text))

    def test_decides_how_packages_are_installed(self):
        for distribution, version, start in (
                ('ubuntu', '16.04', 'RUNLEVEL=1 '), ('fedora', '9', 'yum'),
                ('fedora', '33', 'dnf'), ('centos', '7', 'yum'),
                ('redhat', '7', 'yum')):
            self.assertTrue(guest_os.install_command(
                distribution, version, ['ntp']).startswith(start))
        self.assertIsNone(guest_os.install_command('gentoo', '', ['ntp']))
        self.assertIsNone(guest_os.update_command('', ''))


if __name__ == '__main__':
    unittest.main()
