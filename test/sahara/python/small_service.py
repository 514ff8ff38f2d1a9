"""An HTTP service as a cluster's node runs one: ``small_service.py PORT``."""

import gzip
import http.server
import json
import sys


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        if self.path == '/moved':
            return self._answer(302, b'', Location='/echo')
        if self.path == '/away':
            return self._answer(302, b'', Location='http://192.0.2.1/')
        if self.path == '/zipped':
            return self._answer(200, gzip.compress(b'plain again' * 1000),
                                **{'Content-Encoding': 'gzip'})
        if self.path == '/none':
            return self._answer(404, b'there is none')
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        return self._answer(200, json.dumps({
            'method': self.command, 'path': self.path, 'size': len(body),
            'host': self.headers['Host'], 'x': self.headers['X-Test'],
            'body': body[:64].decode('latin-1')}).encode())

    do_POST = do_PUT = do_GET

    def _answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header('Set-Cookie', 'a=1')
        self.send_header('Set-Cookie', 'b=2')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == '__main__':
    http.server.ThreadingHTTPServer(
        ('127.0.0.1', int(sys.argv[1])), _Handler).serve_forever()
