// The pods of the tests: an app that is granted nothing, and beside it the profiler.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { s3Environment } from '../stores.ts'
import { deploy, folder } from './kubectl.ts'

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

/**
 * The pod of a Deployment that is given the profiler as image/deploy/ says. It wants the Secrets `profiler-tls` and
 * `store`.
 */
export function profiled(kind: 'native-sidecar' | 'sidecar', container: object): object {
  const containers = { containers: [container], automountServiceAccountToken: false }
  const built = kustomized({
    deployment: deploymentOf(kind, containers),
    components: ['components/profiler', 'grants/kernel-names', 'components/mtls'],
    patch: {
      [kind === 'sidecar' ? 'containers' : 'initContainers']: [
        { name: 'sp-profiler', envFrom: [{ secretRef: { name: 'store' } }] },
      ],
    },
  })
  const read = ['apply', '--dry-run=client', '-o', 'json', '-f', '-']
  const { items } = JSON.parse(execFileSync('kubectl', read, { input: built, encoding: 'utf8' }))
  return items.find((each: { kind: string }) => each.kind === 'Deployment').spec.template.spec
}

/** Where the image is named, by the name that it has here. */
export function kustomized(what: {
  readonly deployment: object
  readonly components: readonly string[]
  readonly patch?: object
}): string {
  const here = fs.mkdtempSync(path.join(folder, 'kustomize-'))
  const write = (name: string, content: object) =>
    fs.writeFileSync(path.join(here, name), JSON.stringify(content))
  write('deployment.yaml', what.deployment)
  write('kustomization.yaml', {
    resources: ['deployment.yaml'],
    components: what.components.map(each => path.relative(here, path.join(deploy, each))),
    images: [{ name: 'sp-profiler', newName: 'localhost/profiler', newTag: 'test' }],
    patches: [
      {
        target: { kind: 'Deployment' },
        patch: JSON.stringify({
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name: 'shop' },
          spec: { template: { spec: what.patch ?? {} } },
        }),
      },
    ],
  })
  return execFileSync('kubectl', ['kustomize', here], { encoding: 'utf8' })
}

export function deploymentOf(kind: 'native-sidecar' | 'sidecar', spec: object): object {
  const labels = { app: 'shop' }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'shop', labels: { 'sp-profiler': kind } },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  }
}
