// What a program in JavaScript does with a hub's git address: push, list, clone, and a refusal.
import fs from 'node:fs';
import git from 'isomorphic-git';
import http from 'isomorphic-git/http/node';

const [url, key, folder, branch] = process.argv.slice(2);
const onAuth = () => ({ username: 'x', password: key });
const base = { fs, http, dir: folder, onAuth };
const author = { name: 'i', email: 'i@example.com' };

await git.init({ ...base, defaultBranch: 'main' });
fs.writeFileSync(`${folder}/train.py`, 'x = 1\n');
await git.add({ ...base, filepath: 'train.py' });
const made = await git.commit({ ...base, message: 'try', author });
const pushed = await git.push({ ...base, url, ref: 'main', remoteRef: `refs/heads/${branch}` });
const listed = await git.listServerRefs({ http, url, onAuth, prefix: `refs/heads/${branch}` });
const dir = `${folder}-clone`;
await git.clone({ fs, http, dir, url, onAuth, ref: branch, singleBranch: true });
const cloned = await git.resolveRef({ fs, dir, ref: 'HEAD' });
let refused = '';
try {
  await git.push({ ...base, url, ref: 'main', remoteRef: 'refs/heads/root' });
} catch (error) {
  refused = String(error.data?.prettyDetails ?? error.message);
}
const refs = listed.map((ref) => ref.ref);
console.log(JSON.stringify({ made, ok: pushed.ok, refs, cloned, refused }));
