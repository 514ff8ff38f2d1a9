"""The OpenStack services that Sahara needs, as far as it needs them here:
Heat makes chambers (chamber.py) of the very templates that Sahara writes."""

import itertools
import json
import types
import uuid

import yaml


class FakeHeat:
    """``sahara.utils.openstack.heat.client()``; one stack."""

    def __init__(self, chambers):
        self._chambers = chambers
        self._updates = itertools.count()
        self.stack = None
        # name -> (uuid, node group, user-data)
        self.servers = {}
        self.rebuilt = []
        self.stacks = types.SimpleNamespace(
            create=self._create, list=self._list, delete=self._delete)

    def _create(self, template, files, **_):
        self.stack = types.SimpleNamespace(
            status='COMPLETE', updated_time=None, stack_status_reason='',
            get=lambda: None, update=self._update, outputs=[])
        self._apply(template, files)

    def _update(self, template, files, **_):
        self._apply(template, files)
        self.stack.updated_time = next(self._updates)

    def _list(self, **_):
        return [self.stack] if self.stack else []

    def _delete(self, _):
        for name in list(self.servers):
            self._remove(name)
        self.stack = None

    def _apply(self, template, files):
        template = yaml.safe_load(template)
        self.stack.outputs = []
        for group, resource in template['resources'].items():
            if resource['type'] != 'OS::Heat::ResourceGroup':
                continue
            properties = resource['properties']
            nested = yaml.safe_load(files[properties['resource_def']['type']])
            (server,) = [
                one['properties'] for one in nested['resources'].values()
                if one['type'] == 'OS::Nova::Server']
            removed = {index for policy in properties['removal_policies']
                       for index in policy['resource_list']}
            server['user_data'] = _replace_strings(server['user_data'])
            self._resize(group, server, properties['count'], removed)
            self.stack.outputs.append({
                'output_key': group + '-instances',
                'output_value': [
                    {'physical_id': made, 'name': name}
                    for name, (made, of_group, _) in self.servers.items()
                    if of_group == group]})

    def _resize(self, group, server, count, removed):
        separator, parts = server['name']['list_join']
        names = (separator.join(parts[:-1] + [str(index)])
                 for index in itertools.count() if str(index) not in removed)
        wanted = list(itertools.islice(names, count))
        for name, (_, of_group, user_data) in list(self.servers.items()):
            if of_group != group:
                continue
            if name not in wanted:
                self._remove(name)
            elif user_data != server['user_data']:
                # Heat's user_data_update_policy is REPLACE.
                self.rebuilt.append(name)
        for name in wanted:
            if name not in self.servers:
                made = str(uuid.uuid4())
                self.servers[name] = (made, group, server['user_data'])
                self._chambers.boot(name, made, server['user_data'])

    def _remove(self, name):
        self._chambers.delete(self.servers.pop(name)[0])


class FakeNova:
    """``nova.client()``: server metadata, which its chamber alone can read."""

    def __init__(self, chambers):
        self.servers = types.SimpleNamespace(set_meta=chambers.set_metadata)


def _replace_strings(user_data):
    """Heat's function ``str_replace``, by which the wait condition gets its
    curl command."""
    function = user_data['str_replace']
    return function['template'].replace('wc_notify', 'echo wait-condition')


def server_info(instance):
    """``nova.get_instance_info``: an address that leads nowhere."""
    last = int(uuid.UUID(instance.instance_id)) % 250 + 2
    return types.SimpleNamespace(addresses={'net': [
        {'version': 4, 'addr': '10.99.0.%d' % last,
         'OS-EXT-IPS:type': 'fixed'}]})


# An address, so that no instance needs a name for it.
CATALOGUE = json.dumps([{
    'type': 'orchestration', 'name': 'heat', 'endpoints': [
        {'region': 'here', 'region_id': 'here', 'interface': 'internal',
         'url': 'http://127.0.0.1:1/', 'id': '1'}]}])
