"""A controller for tests that need it to misbehave: to answer late, twice,
with an error or not at all. It does nothing on any instance: what a command
does is a function that the test gives."""

import hashlib
import http.server
import json
import os
import re
import socketserver
import tempfile
import threading
import uuid


class FakeController:
    """Listens on a Unix socket; ``requests`` holds what came, in order."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.socket_path = os.path.join(self.directory.name, 'api.sock')
        self.requests = []
        self.connections = 0
        self.clusters = set()
        self.instances = {}
        self.commands = {}
        self.by_key = {}
        self.contents = {}
        self.user_data_made = 0
        self.challenge_required = False
        # (method, start of the path) -> list of what to do instead, once
        # each: 'drop' (no answer), 'answer-and-drop', or a status.
        self.mischief = {}
        # What a command does: (operation, content) -> (streams, result), or
        # None for one that runs until it is cancelled.
        self.behaviour = lambda operation, content: ({}, {'exitCode': 0})
        self._server = _Server(self.socket_path, _Handler)
        self._server.controller = self
        threading.Thread(target=self._server.serve_forever,
                         kwargs={'poll_interval': 0.01}, daemon=True).start()

    def enrol(self, cluster, instance_uuid, name, state='enrolled',
              alerts=()):
        self.clusters.add(cluster)
        self.instances.setdefault(cluster, {})[name] = {
            'name': name, 'instanceUuid': instance_uuid, 'state': state,
            'alerts': list(alerts)}

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self.directory.cleanup()

    def seen(self, method, pattern):
        return [path for seen_method, path, _ in self.requests
                if seen_method == method and re.search(pattern, path)]


class _Command:
    def __init__(self, body, streams, result):
        self.id = str(uuid.uuid4())
        self.body = body
        self.streams = streams
        self.result = result
        self.cancelled = False
        self.changed = threading.Event()

    def end(self, state, streams, result):
        self.streams = streams
        self.result = dict(result, state=state, streams={
            name: {'size': len(data), 'droppedBytes': 0,
                   'sha256': hashlib.sha256(data).hexdigest()}
            for name, data in streams.items()})
        self.changed.set()

    def record(self):
        return {'id': self.id, 'ended': self.result is not None,
                'state': self.result['state'] if self.result else 'accepted',
                'result': self.result, 'cancelRequested': self.cancelled}


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 1024

    def process_request(self, request, client_address):
        self.controller.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        pass


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def address_string(self):
        return 'unix'

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self._serve()

    do_POST = do_DELETE = do_GET

    def _serve(self):
        controller = self.server.controller
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        controller.requests.append((self.command, self.path, body))
        todo = self._mischief()
        if todo == 'drop':
            self.close_connection = True
            return
        if isinstance(todo, int):
            self._answer(todo, {'code': 'ERR_TEST', 'detail': 'on purpose'})
            return
        status, answer = self._route(controller, body)
        if todo == 'answer-and-drop':
            self.close_connection = True
            return
        self._answer(status, answer)

    def _mischief(self):
        for (method, start), todo in self.server.controller.mischief.items():
            if method == self.command and self.path.startswith(start) and todo:
                return todo.pop(0)
        return None

    def _answer(self, status, answer):
        raw = answer if isinstance(answer, bytes) else \
            json.dumps(answer).encode()
        self.send_response(status)
        self.send_header('Content-Length', str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _route(self, controller, body):
        path, _, query = self.path.partition('?')
        parts = path.strip('/').split('/')[1:]
        if parts == ['contents']:
            digest = hashlib.sha256(body).hexdigest()
            controller.contents[digest] = body
            return 201, {'sha256': digest, 'size': len(body)}
        if parts[0] == 'commands':
            return self._command(controller, parts[1:], query)
        return self._cluster(controller, parts[1:], body)

    def _cluster(self, controller, parts, body):
        if not parts:
            name = json.loads(body)['name']
            status = 409 if name in controller.clusters else 201
            controller.clusters.add(name)
            return status, {'name': name, 'code': 'ERR_TEST_TAKEN',
                            'detail': 'taken'}
        cluster = parts[0]
        if cluster not in controller.clusters:
            return 404, {'code': 'ERR_TEST_NOT_FOUND', 'detail': 'none'}
        instances = controller.instances.setdefault(cluster, {})
        if self.command == 'DELETE' and len(parts) == 1:
            controller.clusters.remove(cluster)
            return 204, b''
        if parts[1:] == ['user-data']:
            controller.user_data_made += 1
            return 201, {'userData': '#!/bin/sh\necho $PATH %d\n'
                         % controller.user_data_made,
                         'expiresAt': '2030-01-01T00:00:00Z'}
        if parts[1:] == ['challenges']:
            uuid_asked = json.loads(body)['instanceUuid']
            return 200, {'key': 'the-key',
                         'challenge': 'of-' + uuid_asked,
                         'required': controller.challenge_required}
        if parts[1:] == ['instances']:
            return 200, {'instances': list(instances.values())}
        if parts[2] not in instances:
            return 404, {'code': 'ERR_TEST_NOT_FOUND', 'detail': 'none'}
        if self.command == 'DELETE':
            del instances[parts[2]]
            return 204, b''
        return self._post_command(controller, json.loads(body))

    def _post_command(self, controller, body):
        key = self.headers['Idempotency-Key']
        if key in controller.by_key:
            command = controller.by_key[key]
            return (200 if command.body == body else 409), command.record()
        command = _Command(body, {}, None)
        controller.by_key[key] = controller.commands[command.id] = command
        ended = controller.behaviour(body['operation'], body.get('content'))
        if ended is not None:
            streams, result = ended
            good = result.get('exitCode', 0) == 0 and 'signal' not in result
            command.end(result.pop('state', None) or
                        ('succeeded' if good else 'failed'), streams, result)
        return 202, command.record()

    def _command(self, controller, parts, query):
        command = controller.commands[parts[0]]
        if parts[1:] == ['cancel']:
            command.cancelled = True
            command.end('cancelled', {}, {})
            return 202, command.record()
        if parts[1:] == ['output']:
            stream = re.search(r'stream=(\w+)', query).group(1)
            offset = int(re.search(r'offset=(\d+)', query).group(1))
            return 200, command.streams[stream][offset:]
        command.changed.wait(float(re.search(r'wait=([\d.]+)',
                                             query).group(1)))
        return 200, command.record()
