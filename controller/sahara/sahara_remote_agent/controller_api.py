"""The controller's HTTP API, as far as the driver needs it.

Its specification is controller/api/resources.ts. Every request here may be
sent again: commands carry an ``Idempotency-Key``, input carries its offset,
content is named by its digest. So a controller that is restarted, or a
connection that breaks, costs time only: requests are repeated until their
deadline.
"""

import http.client
import json
import os
import socket
import ssl
import time
import urllib.parse

from sahara_remote_agent import connections
from sahara_remote_agent import errors

# How long the controller may hold a request for the end of a command.
LONG_POLL_SECONDS = 60
# Beyond that, how long an answer may take to come.
ANSWER_SECONDS = 30
RETRY_FIRST_SECONDS = 0.05
RETRY_MOST_SECONDS = 2.0
RETRIED_STATUSES = frozenset((429, 502, 503, 504))
TOKEN_MAX_BYTES = 4096

_BROKEN = (OSError, http.client.HTTPException)


def open_controller(settings):
    """A ``ControllerApi`` as the options in options.py want it."""
    if settings.controller_url:
        if not settings.token_file:
            raise ValueError(
                '[agent_remote] controller_url needs token_file')
        connector = connections.url_connector(settings.controller_url,
                                              settings.ca_file)
        return ControllerApi(connector, token_file=settings.token_file)
    return ControllerApi(
        connections.unix_connector(settings.controller_socket))


class ControllerApi:
    """One method for each route; ``deadline`` bounds each, repeats included.

    :raises ControllerRefused: the controller answered with an error.
    :raises ControllerUnavailable: no answer came until the deadline.
    """

    def __init__(self, connector, token_file=None):
        self._pool = connections.ConnectionPool(connector)
        self._token_file = token_file
        self._token = None

    def create_cluster(self, name, deadline):
        """Makes the cluster; one that exists is as good."""
        try:
            self._json('POST', '/v1/clusters', deadline, {'name': name})
        except errors.ControllerRefused as refusal:
            if refusal.status != 409:
                raise

    def delete_cluster(self, name, deadline):
        """Deletes the cluster with its queues; one that is gone is as good."""
        self._delete(_cluster_path(name), deadline)

    def create_user_data(self, cluster, valid_days, challenge, deadline):
        """A script for any instance of the cluster, with a secret in it:
        ``{userData, expiresAt}``. With ``challenge`` the secret counts only
        together with an instance's challenge."""
        return self._json(
            'POST', _cluster_path(cluster, 'user-data'), deadline,
            {'format': 'script', 'validDays': valid_days,
             'challenge': challenge})

    def create_challenge(self, cluster, instance_uuid, deadline):
        """What an instance must find in its server's metadata: ``{key,
        challenge, required}``; the same at each call."""
        return self._json('POST', _cluster_path(cluster, 'challenges'),
                          deadline, {'instanceUuid': instance_uuid})

    def list_instances(self, cluster, deadline):
        return self._json('GET', _cluster_path(cluster, 'instances'),
                          deadline)['instances']

    def delete_instance(self, cluster, instance, deadline):
        self._delete(_cluster_path(cluster, 'instances', instance), deadline)

    def store_content(self, content, deadline):
        """Stores bytes for a later command; returns their digest."""
        answer = self._request(
            'POST', '/v1/contents', deadline, content,
            {'Content-Type': 'application/octet-stream'})
        return json.loads(answer)['sha256']

    def post_command(self, cluster, instance, command, key, deadline):
        """Posts a NewCommand; under the same ``key`` it is one command,
        however often it is posted."""
        return self._json(
            'POST', _cluster_path(cluster, 'instances', instance, 'commands'),
            deadline, command, {'Idempotency-Key': key})

    def wait_for_command(self, command_id, seconds, deadline):
        """The CommandRecord, when it has ended or some of ``seconds`` have
        passed."""
        wait = min(seconds, LONG_POLL_SECONDS)
        return self._json('GET', '/v1/commands/%s?wait=%.3f' % (
            command_id, wait), deadline, patience=wait + ANSWER_SECONDS)

    def read_output(self, command_id, stream, offset, deadline, most):
        """The bytes of one stream from ``offset`` on that have arrived; one
        more than ``most`` when there are more than that."""
        return self._request('GET', _output_path(command_id, stream, offset),
                             deadline, answer_bytes=most + 1)

    def follow_output(self, command_id, stream, offset, deadline):
        """Yields bytes of one stream as they come, until the command's end or
        the deadline."""
        path = _output_path(command_id, stream, offset) + '&follow=true'
        while not deadline.is_over():
            with self._pool.borrow(max(deadline.remaining(), 0.001),
                                   fresh=True) as connection:
                try:
                    response = self._exchange(connection, 'GET', path, None,
                                              {})
                    self._require_success(response, 'GET', path)
                    while True:
                        piece = response.read1(65536)
                        if not piece:
                            connection.is_reusable = response.isclosed()
                            return
                        offset += len(piece)
                        yield piece
                except socket.timeout:
                    return
                except _BROKEN:
                    pass
            time.sleep(min(RETRY_MOST_SECONDS, deadline.remaining()))
            path = _output_path(command_id, stream, offset) + '&follow=true'

    def send_input(self, command_id, offset, piece, end, deadline):
        """Feeds standard input; the CommandRecord of the ``stdin`` command."""
        path = '/v1/commands/%s/stdin?offset=%d&end=%s' % (
            command_id, offset, 'true' if end else 'false')
        return json.loads(self._request(
            'POST', path, deadline, piece,
            {'Content-Type': 'application/octet-stream'}))

    def cancel_command(self, command_id, grace_seconds, deadline):
        return self._json('POST', '/v1/commands/%s/cancel' % command_id,
                          deadline, {'graceSeconds': grace_seconds})

    def _json(self, method, path, deadline, body=None, headers=None,
              patience=ANSWER_SECONDS):
        headers = dict(headers or {})
        encoded = None
        if body is not None:
            encoded = json.dumps(body).encode()
            headers['Content-Type'] = 'application/json'
        return json.loads(self._request(method, path, deadline, encoded,
                                        headers, patience))

    def _delete(self, path, deadline):
        try:
            self._request('DELETE', path, deadline)
        except errors.ControllerRefused as refusal:
            if refusal.status != 404:
                raise

    def _request(self, method, path, deadline, body=None, headers=None,
                 patience=ANSWER_SECONDS, answer_bytes=None):
        """Sends a request until an answer comes; returns its body, or the
        first ``answer_bytes`` of it."""
        pause = RETRY_FIRST_SECONDS
        fresh = was_used = False
        while True:
            timeout = min(patience, deadline.remaining() + 0.5)
            try:
                with self._pool.borrow(timeout, fresh) as connection:
                    was_used = connection.was_used
                    response = self._exchange(connection, method, path, body,
                                              headers or {})
                    if response.status not in RETRIED_STATUSES:
                        self._require_success(response, method, path)
                        answer = response.read(answer_bytes)
                        connection.is_reusable = (
                            not response.will_close and response.isclosed())
                        return answer
                    trouble = 'HTTP %d' % response.status
            except _BROKEN as error:
                # Of TLS it says what is wrong with the certificate.
                trouble = (str(error) if isinstance(error, ssl.SSLError)
                           else type(error).__name__)
                if was_used and not fresh:
                    # Most likely it was closed while it was idle: no reason
                    # to wait.
                    fresh = True
                    continue
            if deadline.remaining() <= pause:
                raise errors.ControllerUnavailable(
                    '%s %s' % (method, path.split('?')[0]),
                    stderr='the controller gave no answer (%s); see whether '
                           'it runs' % trouble, state='unavailable',
                    reason_code='controller-unavailable')
            time.sleep(pause)
            pause = min(pause * 2, RETRY_MOST_SECONDS)

    def _exchange(self, connection, method, path, body, headers):
        response = self._send(connection, method, path, body, headers)
        if response.status == 401 and self._token_file:
            # The token may have been changed since it was read.
            response.read()
            self._token = None
            response = self._send(connection, method, path, body, headers)
        return response

    def _send(self, connection, method, path, body, headers):
        sent = dict(headers)
        if self._token_file:
            sent['Authorization'] = 'Bearer ' + self._read_token()
        connection.request(method, path, body=body, headers=sent)
        return connection.getresponse()

    def _read_token(self):
        if self._token is None:
            self._token = _read_token_file(self._token_file)
        return self._token

    def _require_success(self, response, method, path):
        if 200 <= response.status < 300:
            return
        problem = _read_problem(response)
        raise errors.ControllerRefused(
            '%s %s' % (method, path.split('?')[0]), response.status,
            problem.get('code', 'unknown'),
            problem.get('detail', 'the controller did not say why'))


def _read_token_file(path):
    """
    :raises TokenUnusable: it is not there, or everybody may read it.
    """
    try:
        with open(path) as token_file:
            mode = os.fstat(token_file.fileno()).st_mode
            if mode & 0o027:
                raise errors.TokenUnusable(
                    path, 'others may read or change it; chmod 600 it, or '
                          '640 for a group of the engine\'s own')
            return token_file.read(TOKEN_MAX_BYTES).strip()
    except OSError as error:
        raise errors.TokenUnusable(path, error.strerror)


def _read_problem(response):
    """The problem document (RFC 9457) of an error; empty for a body that is
    none, such as a proxy's page."""
    try:
        problem = json.loads(response.read(65536))
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _cluster_path(cluster, *rest):
    parts = ('v1', 'clusters', cluster) + rest
    return '/' + '/'.join(urllib.parse.quote(part, safe='')
                          for part in parts)


def _output_path(command_id, stream, offset):
    return '/v1/commands/%s/output?stream=%s&offset=%d' % (
        command_id, stream, offset)
