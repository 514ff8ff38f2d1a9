"""``requests`` sessions whose requests are made by the agent, in the guest.

Oozie's and Ambari's clients say ``http://<management_ip>:<port>/...``. That
address may be a floating IP, which a guest cannot reach from inside, so the
agent is told the instance's own address in its network.
"""

import email.message
import io
import urllib.parse

import requests
from requests import adapters
from sahara import exceptions
import urllib3

from sahara_remote_agent import bounded_cache
from sahara_remote_agent import command
from sahara_remote_agent import deadline as deadlines
from sahara_remote_agent import errors

SESSIONS_KEPT = 4096

# RFC 9110, section 7.6.1: they concern one connection, of which there are two
# here. The body's length is known on either side.
_HOP_BY_HOP = frozenset((
    'connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization',
    'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
    'content-length'))


class HttpSessions:
    """Sessions by instance and port."""

    def __init__(self, commander, settings):
        self._commander = commander
        self._settings = settings
        self._sessions = bounded_cache.BoundedCache(
            SESSIONS_KEPT, lambda session: session.close())

    def open(self, instance, target, port):
        return self._sessions.get((target.uuid, port),
                                  lambda: self._make(instance, target))

    def close(self, target, port):
        """True when there was one."""
        return self._sessions.remove((target.uuid, port))

    def _make(self, instance, target):
        session = requests.Session()
        # Neither this machine's proxies nor its .netrc concern the guest.
        session.trust_env = False
        adapter = AgentAdapter(self._commander, target,
                               instance.management_ip, instance.internal_ip,
                               self._settings.timeout_files)
        for scheme in ('http://', 'https://'):
            session.mount(scheme, adapter)
        return session


class AgentAdapter(adapters.HTTPAdapter):
    """Carries requests for one instance through the ``http`` operation.

    A request for any other host is refused: a redirect from inside a guest
    must not make Sahara reach for something in its own network.
    """

    def __init__(self, commander, target, management_ip, internal_ip,
                 timeout):
        super().__init__()
        self._commander = commander
        self._target = target
        self._hosts = frozenset(filter(None, (management_ip, internal_ip)))
        self._address = internal_ip or management_ip
        self._timeout = timeout

    def send(self, request, stream=False, timeout=None, verify=True,
             cert=None, proxies=None):
        url = self._url_inside(request)
        deadline = deadlines.Deadline(_seconds(timeout) or self._timeout)
        headers = [[name, _header_text(value)]
                   for name, value in request.headers.items()
                   if name.lower() not in _HOP_BY_HOP]
        if 'host' not in (name.lower() for name, _ in headers):
            headers.append(['Host', urllib.parse.urlsplit(request.url).netloc])
        asked = command.Request(
            {'name': 'http', 'method': request.method.upper(), 'url': url,
             'headers': headers},
            '%s %s' % (request.method, url), _whole_body(request.body))
        try:
            outcome = self._commander.run(self._target, asked, deadline)
            if outcome.state != 'succeeded':
                raise outcome.failure('it ended as "%s"' % outcome.state)
        except exceptions.TimeoutException as error:
            raise requests.exceptions.ReadTimeout(error, request=request)
        except errors.RemoteFailure as error:
            raise requests.exceptions.ConnectionError(error, request=request)
        return self.build_response(request, _to_urllib3(request, outcome))

    def _url_inside(self, request):
        parts = urllib.parse.urlsplit(request.url)
        if parts.hostname not in self._hosts:
            raise requests.exceptions.InvalidURL(
                '%s is not an address of instance %s; this session reaches '
                'that instance only' % (parts.hostname, self._target.name),
                request=request)
        host = ('[%s]' if ':' in self._address else '%s') % self._address
        port = ':%d' % parts.port if parts.port else ''
        return urllib.parse.urlunsplit((
            parts.scheme, host + port, parts.path or '/', parts.query, ''))


def _to_urllib3(request, outcome):
    body = outcome.output('content')
    headers = [(name, value)
               for name, value in outcome.answer.get('headers', [])
               if name.lower() not in _HOP_BY_HOP]
    return urllib3.HTTPResponse(
        body=io.BytesIO(body), headers=headers,
        original_response=_Original(headers),
        status=int(outcome.answer['status']),
        reason=outcome.answer.get('reason'), preload_content=False,
        request_method=request.method)


class _Original:
    """What ``requests`` takes cookies from: an answer as http.client has it,
    read to its end."""

    def __init__(self, headers):
        self.msg = email.message.Message()
        for name, value in headers:
            self.msg.add_header(name, value)

    def isclosed(self):
        return True

    def close(self):
        pass


def _whole_body(body):
    """The body that ``requests`` prepared: text, bytes, a file or pieces."""
    if body is None:
        return None
    if hasattr(body, 'read'):
        body = body.read()
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    return b''.join(piece.encode() if isinstance(piece, str) else piece
                    for piece in body)


def _seconds(timeout):
    """``requests`` takes one number, or one to connect and one to read."""
    if isinstance(timeout, tuple):
        return sum(part for part in timeout if part) or None
    return timeout


def _header_text(value):
    return value.decode('latin-1') if isinstance(value, bytes) else value
