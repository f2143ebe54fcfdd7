// The names of people in paths: `/home/aditi/src/app.py`, `C:\Users\Aditi\app.cs`.
//
// The rest of the path stays: it says which code it is. Only the directory that a home directory
// lies in counts, at the beginning of a path or of the root of a container inside one:
// `src/pages/home/index.tsx` is code. Homes that images give to everybody name nobody, and stay
// readable.

import { enoughHits, type Hit } from './classes.ts'

/** Adds the user names in the paths of a text. */
export function findUserPaths(text: string, hits: Hit[]): void {
  for (const { index, 0: found, groups } of text.matchAll(home)) {
    if (hits.length > enoughHits) return
    const user = groups!['user']!
    // What a printer puts after a name, `_[k]`, is no user.
    if (groups!['up'] !== undefined && isCode(user, text[index + found.length])) continue
    if (nobody.has(user.toLowerCase()) || !/[\p{L}\p{N}]/u.test(user)) continue
    const end = index + found.length
    hits.push({ class: 'user_path', start: end - user.length, end })
  }
}

// What a home directory can begin after, each with the slashes of `home` or `Users`.
const beginnings = [
  // The beginning of a path, perhaps of another root: `/var/home`, `/proc/1/root/home`.
  /(?<![\w.\-/\\\]])(?:file:\/\/|\/)?(?:\/(?:var|export|usr|mnt|nfs|data|host|rootfs|root|proc\/\d{1,7})){0,3}\/{1,2}(?:home\d?|Users)\/{1,4}/,
  // A drive of Windows as Linux mounts it: `/mnt/c/Users`.
  /(?<![\w.\-/\\\]])(?:\/(?:mnt|cygdrive|host_mnt))?\/[A-Za-z]\/{1,2}Users\/{1,4}/,
  // The root of a container, wherever its layers are: `…/merged/home`, `…/snapshots/12/fs/home`.
  /\/(?<=\/(?:merged|rootfs|overlay2?\/[\w-]{1,80}\/diff|snapshots\/\d{1,9}\/fs)\/)\/?home\d?\/{1,4}/,
  // Relative to a build: `../../home`.
  /(?<up>\/(?<=\.\.\/\.\.\/)home\/{1,4})/,
  /[A-Za-z]:[\\/]{1,2}(?:Users|Documents and Settings)[\\/]{1,2}/,
]

const home = new RegExp(
  `(?:${beginnings.map(({ source }) => source).join('|')})(?<user>[^/\\\\\\s:;,<>()[\\]{}"'|&%]{1,64})`,
  'g',
)

/** `../../home/components/Card.tsx`, `../../home/index.tsx`: of the page that a site begins with. */
function isCode(name: string, next: string | undefined): boolean {
  return codeFolders.has(name.toLowerCase()) || (name.includes('.') && next !== '/')
}

const codeFolders = new Set(
  'components,containers,views,pages,hooks,styles,store,api,services,routes,controllers,models,screens,assets,lib,src,types,helpers,modules,widgets'.split(
    ',',
  ),
)

const nobody = new Set(
  'app,node,runner,ubuntu,debian,ec2-user,user,users,default,public,shared,linuxbrew,vscode,jenkins,circleci,gitlab-runner,www-data,nonroot,appuser,buildroot'.split(
    ',',
  ),
)
