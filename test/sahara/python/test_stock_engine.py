"""The stock ``sahara-engine`` finds the driver by its name."""

import os
import subprocess
import tempfile
import threading
import unittest

PATIENCE_SECONDS = 60

CONFIGURATION = """
[DEFAULT]
remote = agent
debug = true
transport_url = fake://
plugins = fake
use_stderr = true

[agent_remote]
controller_socket = {directory}/controller.sock

[database]
connection = sqlite://

[keystone_authtoken]
auth_url = http://127.0.0.1:1
username = sahara
password = none
project_name = service
user_domain_name = Default
project_domain_name = Default

[oslo_concurrency]
lock_path = {directory}
"""


class StockEngine(unittest.TestCase):

    def test_loads_the_driver_and_goes_on(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, 'sahara.conf')
            with open(path, 'w') as configuration:
                configuration.write(CONFIGURATION.format(directory=directory))
            engine = subprocess.Popen(
                ['/usr/bin/sahara-engine', '--config-file', path],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            safety = threading.Timer(PATIENCE_SECONDS, engine.kill)
            safety.start()
            try:
                seen = self._read_until(engine, 'Starting 1 workers')
            finally:
                safety.cancel()
                engine.terminate()
                engine.wait()
                engine.stdout.close()
        self.assertIn('Driver agent successfully loaded', seen)
        self.assertNotIn('Traceback', seen)

    def _read_until(self, engine, wanted):
        seen = ''
        for line in engine.stdout:
            seen += line
            if wanted in line:
                return seen
        self.fail('sahara-engine ended without "%s":\n%s' % (wanted, seen))


if __name__ == '__main__':
    unittest.main()
