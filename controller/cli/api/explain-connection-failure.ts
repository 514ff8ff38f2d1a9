import type { ControllerAddress } from './controller-address.ts'
import { describeAddress } from './controller-address.ts'

/** What OpenSSL calls an answer that is no TLS. */
const plainHttpCodes = ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG']
const closedCodes = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']

/** Says why no answer came from the controller, and what to do about it. */
export function explainConnectionFailure(error: Error, address: ControllerAddress): string {
  const code = 'code' in error ? String(error.code) : ''
  const where = describeAddress(address)
  if (code === 'EACCES') {
    return `you may not use the controller's socket ${where}; become the user that runs the controller`
  }
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return (
      `the controller does not answer at ${where}; start it with \`sahara-controller serve\`, ` +
      'or name another one by --socket or --url'
    )
  }
  if (plainHttpCodes.includes(code)) {
    return `what answers at ${where} speaks no TLS; write --url with http:// if the controller has no \`listen.tls\``
  }
  if (isCertificateProblem(code)) {
    return (
      `the certificate of ${where} is not trusted (${code}); name its authority's file in NODE_EXTRA_CA_CERTS, ` +
      'and the controller as the certificate does'
    )
  }
  const failed = `the connection to the controller at ${where} failed: ${error.message}`
  if (closedCodes.includes(code) && where.startsWith('http:')) {
    return `${failed}; see whether it runs, and whether it wants https://`
  }
  return `${failed}; see whether it runs`
}

function isCertificateProblem(code: string): boolean {
  return /^(?:ERR_TLS_CERT|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/.test(code)
}
