// The pods of the tests: an app that is granted nothing, and beside it the profiler.

import { s3Environment } from '../stores.ts'
import { client } from './daemon.ts'

/**
 * Uid 1000, no capability, the container engine's seccomp profile. It would take a core, and gets a third of one:
 * who else works on this machine is not to starve.
 */
export function app(name: 'service' | 'burn'): object {
  return {
    name: 'app',
    image: `localhost/${name}:test`,
    imagePullPolicy: 'Never',
    resources: { requests: { cpu: '300m' }, limits: { cpu: '300m', memory: '256Mi' } },
    securityContext: {
      runAsUser: 1000,
      runAsGroup: 1000,
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  }
}

/** Without limits: beside it, the pod as a whole has none either. */
export const idle = { name: 'idle', image: 'localhost/pause:test', imagePullPolicy: 'Never' }

export function podOf(namespace: string, name: string, spec: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: { terminationGracePeriodSeconds: 30, automountServiceAccountToken: false, ...spec },
  }
}

/** What publishing to the test's S3 server takes. */
export function storeEnvironment(endpoint: string): Record<string, string> {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION } = s3Environment
  return {
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
    AWS_REGION,
    AWS_EC2_METADATA_DISABLED: 'true',
    SP_FLAMEGRAPH_S3_ENDPOINT: endpoint,
    SP_FLAMEGRAPH_TO: 's3://incidents/graphs',
  }
}

export function profiler(): object {
  return {
    name: 'profiler',
    image: 'localhost/profiler:test',
    imagePullPolicy: 'Never',
    restartPolicy: 'Always',
    command: [
      'sp-flamegraph',
      'serve',
      '--tls-listen=0.0.0.0:6443',
      '--tls-cert=/tls/tls.crt',
      '--tls-key=/tls/tls.key',
      '--tls-ca=/tls/ca.crt',
      `--client=${client}=capturer`,
    ],
    envFrom: [{ secretRef: { name: 'store' } }],
    resources: { requests: { cpu: '200m', memory: '64Mi' } },
    securityContext: {
      runAsUser: 0,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['SYS_PTRACE', 'PERFMON', 'SYSLOG'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    startupProbe: { tcpSocket: { port: 6443 }, periodSeconds: 1, failureThreshold: 30 },
    volumeMounts: [
      { name: 'tls', mountPath: '/tls', readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  }
}

export const volumes = [
  { name: 'tls', secret: { secretName: 'profiler-tls' } },
  { name: 'tmp', emptyDir: {} },
]
