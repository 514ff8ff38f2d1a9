"""Nova's metadata service as one instance sees it: ``metadata_service.py
FILE`` serves the server's metadata from a file, as soon as there is one."""

import http.server
import json
import sys


class Handler(http.server.BaseHTTPRequestHandler):

    def do_GET(self):
        if self.path != '/openstack/latest/meta_data.json':
            self.send_error(404)
            return
        try:
            with open(sys.argv[1]) as metadata:
                document = {'meta': json.load(metadata)}
        except FileNotFoundError:
            # A server without metadata has no such entry.
            document = {}
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


if __name__ == '__main__':
    http.server.ThreadingHTTPServer(('169.254.169.254', 80),
                                    Handler).serve_forever()
