"""The controller's API over TCP: TLS, token, and what happens without.

Environment: CONTROLLER_URL, TOKEN_FILE, CA_FILE, SHARED (a directory).
"""

import sahara_world

import os
import pathlib
import unittest

from sahara_remote_agent import controller_api
from sahara_remote_agent import deadline
from sahara_remote_agent import errors


class RemoteController(unittest.TestCase):

    def setUp(self):
        self.settings = {'controller_url': os.environ['CONTROLLER_URL'],
                         'token_file': os.environ['TOKEN_FILE'],
                         'ca_file': os.environ['CA_FILE']}
        self.token = pathlib.Path(os.environ['SHARED'], self.id())
        self.token.unlink(missing_ok=True)

    def ask(self, seconds=60, **settings):
        driver = sahara_world.set_up_driver(**dict(self.settings, **settings))
        return driver._api.create_cluster('tcp', deadline.Deadline(seconds))

    def write_token(self, text, mode=0o600):
        self.token.touch()
        self.token.chmod(0o600)
        self.token.write_text(text)
        self.token.chmod(mode)
        return str(self.token)

    def true_token(self):
        return pathlib.Path(os.environ['TOKEN_FILE']).read_text()

    def test_is_reached_with_its_token(self):
        self.ask()

    def test_refuses_a_wrong_token(self):
        with self.assertRaises(errors.ControllerRefused) as raised:
            self.ask(token_file=self.write_token('x' * 64))
        self.assertEqual((401, 'ERR_API_UNAUTHORIZED'), (
            raised.exception.status, raised.exception.reason_code))
        self.assertNotIn('x' * 64, str(raised.exception))

    def test_is_not_asked_without_a_token(self):
        with self.assertRaisesRegex(ValueError, 'token_file'):
            self.ask(token_file=None)

    def test_is_told_a_token_that_was_changed(self):
        driver = sahara_world.set_up_driver(**dict(
            self.settings, token_file=self.write_token('x' * 64)))
        with self.assertRaises(errors.ControllerRefused):
            driver._api.create_cluster('tcp', deadline.Deadline(60))
        self.write_token(self.true_token())
        driver._api.create_cluster('tcp', deadline.Deadline(60))

    def test_is_not_shown_a_token_that_others_may_read(self):
        path = self.write_token(self.true_token(), 0o644)
        with self.assertRaisesRegex(errors.TokenUnusable, 'chmod'):
            self.ask(token_file=path)

    def test_is_told_a_token_that_its_group_may_read(self):
        # As packages install it: root's file, the service's group.
        self.ask(token_file=self.write_token(self.true_token(), 0o640))

    def test_is_not_guessed_at_without_a_file(self):
        with self.assertRaisesRegex(errors.TokenUnusable, 'No such file'):
            self.ask(token_file=str(self.token))

    def test_that_cannot_prove_who_it_is_is_shown_nothing(self):
        with self.assertRaises(errors.ControllerUnavailable) as raised:
            self.ask(seconds=0.5, ca_file=None)
        self.assertIn('certificate', str(raised.exception).lower())


class WithoutTls(unittest.TestCase):

    def test_a_token_goes_nowhere_but_to_this_machine(self):
        for url, is_good in (('http://192.0.2.1:1', False),
                             ('http://127.0.0.1:1', True),
                             ('http://[::1]:1', True),
                             ('https://192.0.2.1:1', True)):
            with self.subTest(url=url):
                settings = sahara_world.types.SimpleNamespace(
                    controller_url=url, token_file='/x', ca_file=None)
                if is_good:
                    controller_api.open_controller(settings)
                else:
                    with self.assertRaisesRegex(ValueError, 'https'):
                        controller_api.open_controller(settings)


if __name__ == '__main__':
    unittest.main()
