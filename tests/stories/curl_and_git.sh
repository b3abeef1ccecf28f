#!/usr/bin/env bash
# An agent that knows only curl and git takes part in a swarm. Usage: curl_and_git.sh URL NAME CHANNEL FOLDER
# Every step checks what it gets; the first that is wrong ends the story with a sentence.
set -euo pipefail
URL=$1 NAME=$2 CHANNEL=$3 FOLDER=$4
export GIT_AUTHOR_NAME=$NAME GIT_AUTHOR_EMAIL=$NAME@swarm GIT_COMMITTER_NAME=$NAME GIT_COMMITTER_EMAIL=$NAME@swarm
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1

wrong() { echo "$NAME: $*" >&2; exit 1; }
is() { [[ $2 == "$3" ]] || wrong "$1: expected '$3', got '$2'"; }
field() { sed -E "s/.*\"$1\": ?\"?([^\",}]*)\"?.*/\1/"; } # the last field of that name in one JSON object
count() { grep -o "\"$1\"" | wc -l | tr -d ' '; }
api() { curl -sS --fail-with-body -m 60 -H "Authorization: Bearer $(cat "$FOLDER/key")" "$@"; }
status() { curl -sS -m 60 -o "$FOLDER/answer" -w '%{http_code}' -H "Authorization: Bearer $(cat "$FOLDER/key")" "$@"; }
json() { api -X POST -H 'Content-Type: application/json' "$@"; }

# register; the key is shown once and kept in a file
umask 077 && mkdir -p "$FOLDER" && cd "$FOLDER"
curl -sS --fail-with-body -X POST "$URL/api/register" -H 'Content-Type: application/json' -d "{\"id\":\"$NAME\"}" >account
is "registered id" "$(field id <account)" "$NAME"
field api_key <account >key
is "a second registration" "$(status -X POST "$URL/api/register" -H 'Content-Type: application/json' -d "{\"id\":\"$NAME\"}")" 409
grep -q '"error"' answer || wrong "the conflict has no sentence"
is "a wrong key" "$(curl -sS -o answer -w '%{http_code}' -H 'Authorization: Bearer nonsense' "$URL/api/git/leaves")" 401

# five commits, one bundle
git init -q -b main work && cd work
for n in 1 2 3 4 5; do echo "rate = $n  # $NAME" >train.py && git add train.py && git commit -qm "experiment $n of $NAME"; done
HEAD=$(git rev-parse HEAD) FIRST=$(git rev-list --max-parents=0 HEAD)
git bundle create -q ../mine.bundle HEAD
pushed=$(api --data-binary @../mine.bundle -H 'Content-Type: application/octet-stream' "$URL/api/git/push")
[[ $pushed == *"$HEAD"* ]] || wrong "the push did not answer its head: $pushed"
is "pushing again" "$(status --data-binary @../mine.bundle "$URL/api/git/push")" 201
is "pushing no bundle" "$(status --data-binary @train.py "$URL/api/git/push")" 400

# the DAG: five in the lineage, one leaf, one child each
is "lineage" "$(api "$URL/api/git/commits/$HEAD/lineage" | count hash)" 5
is "commits of mine" "$(api "$URL/api/git/commits?agent=$NAME&limit=10" | count hash)" 5
api "$URL/api/git/commits/${HEAD:0:7}" >../commit
is "the author" "$(field agent_id <../commit)" "$NAME"
is "the parent" "$(field parent_hash <../commit)" "$(git rev-parse HEAD~1)"
is "the root's parent" "$(api "$URL/api/git/commits/$FIRST" | field parent_hash)" ""
is "children of the root" "$(api "$URL/api/git/commits/$FIRST/children" | count hash)" 1
is "children of the head" "$(api "$URL/api/git/commits/$HEAD/children")" "[]"
api "$URL/api/git/leaves?limit=1000" >../leaves
grep -q "$HEAD" ../leaves || wrong "the head is no leaf"
if grep -q "\"hash\": *\"$FIRST\"" ../leaves; then wrong "the root is a leaf"; fi
api "$URL/api/git/diff/${FIRST:0:10}/$HEAD" >../diff
grep -q '^+rate = 5' ../diff && grep -q '^-rate = 1' ../diff || wrong "the diff does not show the change"
is "an unknown commit" "$(status "$URL/api/git/commits/0123456789abcdef0123456789abcdef01234567")" 404

# fetch everything into an empty repository, and then only what is new
git init -q ../other && cd ../other
api "$URL/api/git/fetch/$HEAD" >../fetched.bundle
git bundle unbundle ../fetched.bundle >/dev/null && git checkout -q "$HEAD"
is "the fetched file" "$(cat train.py)" "rate = 5  # $NAME"
cd ../work && echo "rate = 6  # $NAME" >train.py && git commit -qam "experiment 6" && NEXT=$(git rev-parse HEAD)
git bundle create -q ../next.bundle HEAD ^HEAD~1
api --data-binary @../next.bundle "$URL/api/git/push" >/dev/null
cd ../other && api "$URL/api/git/fetch/$NEXT?have=$HEAD" >../increment.bundle
[[ $(grep -ac "^-$HEAD" ../increment.bundle) == 1 ]] || wrong "the increment does not build on what we have"
git bundle unbundle ../increment.bundle >/dev/null && git checkout -q "$NEXT"
is "the incremented file" "$(cat train.py)" "rate = 6  # $NAME"
is "history after the increment" "$(git rev-list --count HEAD)" 6

# the board
is "a new channel" "$(status -X POST "$URL/api/channels" -H 'Content-Type: application/json' -d "{\"name\":\"$CHANNEL\",\"description\":\"d\"}")" 201
is "the channel again" "$(status -X POST "$URL/api/channels" -H 'Content-Type: application/json' -d "{\"name\":\"$CHANNEL\"}")" 409
api "$URL/api/channels" | grep -q "\"$CHANNEL\"" || wrong "the channel is not listed"
json "$URL/api/channels/$CHANNEL/posts" -d '{"content":"wider is *better*"}' >../post
POST=$(field id <../post)
json "$URL/api/channels/$CHANNEL/posts" -d "{\"content\":\"is it?\",\"parent_id\":$POST}" >../reply
api "$URL/api/channels/$CHANNEL/posts?limit=1" | grep -q 'is it?' || wrong "the newest post is not the reply"
is "replies" "$(api "$URL/api/posts/$POST/replies" | count content)" 1
api "$URL/api/posts/$POST" | grep -q 'wider is \*better\*' || wrong "the post is not what was written"
is "a post to no channel" "$(status -X POST "$URL/api/channels/no-such-channel/posts" -H 'Content-Type: application/json' -d '{"content":"x"}')" 404
json "$URL/api/channels/results/posts" -d "{\"content\":\"commit:${NEXT:0:7} platform:$NAME val_bpb:0.9912 vram_gb:44.0 | wider\"}" >/dev/null
api "$URL/api/results?platform=$NAME" | grep -q "\"commit_hash\": *\"$NEXT\"" || wrong "the result does not name the pushed commit"
echo "$NAME: all as it should be"
