import type { Configuration } from './render-configuration.ts'

export interface ZaqarSettings {
  transport: 'wsgi' | 'websocket'
  ports: { wsgi: number; websocket: number; notification: number; redis: number }
  secretKey: string
  maxPostBytes: number
  maxMessageTtlSeconds: number
  /** Absent: no authentication, and every X-Project-ID is believed. */
  keystone?: { url: string; password: string }
}

/** The configuration of one Zaqar process. Those of both transports must agree in Redis and in the secret. */
export function zaqarConfiguration(settings: ZaqarSettings): Configuration {
  const { ports, keystone } = settings
  return {
    DEFAULT: {
      auth_strategy: keystone === undefined ? '' : 'keystone',
      admin_mode: true,
      // The Redis driver does not claim to be durable, and Zaqar then refuses to start without this.
      unreliable: true,
    },
    transport: {
      max_messages_post_size: settings.maxPostBytes,
      max_message_ttl: settings.maxMessageTtlSeconds,
    },
    signed_url: { secret_key: settings.secretKey },
    drivers: {
      transport: settings.transport,
      message_store: 'redis',
      management_store: 'redis',
    },
    // Zaqar gives Redis a tenth of a second by default, and answers 503 after it: too short for a busy test machine.
    // Two databases: in one, the keys of queues, claims and messages could be taken for each other.
    'drivers:message_store:redis': {
      uri: `redis://127.0.0.1:${ports.redis}?dbid=0&socket_timeout=5`,
    },
    'drivers:management_store:redis': {
      uri: `redis://127.0.0.1:${ports.redis}?dbid=1&socket_timeout=5`,
    },
    'drivers:transport:wsgi': { bind: '127.0.0.1', port: ports.wsgi },
    'drivers:transport:websocket': {
      bind: '127.0.0.1',
      port: ports.websocket,
      notification_bind: '127.0.0.1',
      notification_port: ports.notification,
    },
    cache: { enabled: false },
    // Without it subscriptions are taken, and nobody is ever notified.
    storage: { message_pipeline: 'zaqar.notification.notifier' },
    ...(keystone === undefined ? {} : keystoneSections(keystone.url, keystone.password)),
  }
}

function keystoneSections(url: string, password: string): Configuration {
  const account = {
    auth_type: 'password',
    auth_url: url,
    username: 'zaqar',
    password,
    user_domain_id: 'default',
  }
  return {
    keystone_authtoken: {
      ...account,
      www_authenticate_uri: url,
      project_name: 'service',
      project_domain_id: 'default',
      region_name: 'RegionOne',
    },
    trustee: account,
  }
}
