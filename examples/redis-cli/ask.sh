#!/usr/bin/env bash
# Asks a question about the sources of a session with nothing but redis-cli: ask.sh SESSION QUESTION
# RAYLANE_REDIS__URL is the address. REDIS_CLI may name another client, such as valkey-cli, with its options.
# docs/wire-format.md says what the keys and fields mean.
set -euo pipefail

session=${1:?usage: ask.sh SESSION QUESTION} question=${2:?usage: ask.sh SESSION QUESTION}
if [[ $session$question == *[[:cntrl:]]* ]]; then
  echo "no line breaks, please" >&2
  exit 2
fi
read -ra cli <<< "${REDIS_CLI:-redis-cli -u ${RAYLANE_REDIS__URL:-redis://127.0.0.1:6379/0}}"
redis() { "${cli[@]}" "$@"; }

# Quoted as JSON: in this order, because the backslashes of the second line must stay single.
text=${question//\\/\\\\}
text=${text//\"/\\\"}
# The sources stay, for the next question.
payload="{\"prompt\":\"$text\",\"execute\":true,\"keep_sources\":true}"
# In double quotes, as redis-cli reads a line.
quoted=${payload//\\/\\\\}
quoted=${quoted//\"/\\\"}

id=cli-$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
now=$(date +%s)000
job=raylane:job:$id

# One transaction. The same id again would change nothing.
redis > /dev/null <<EOF
MULTI
HSETNX $job v 1
HSETNX $job kind generate
HSETNX $job lane generate
HSETNX $job session_id $session
HSETNX $job status queued
HSETNX $job attempt 0
HSETNX $job payload "$quoted"
HSETNX $job enqueued_at $now
SET arq:job:$id "{\"t\":null,\"f\":\"generate\",\"a\":[],\"k\":{},\"et\":$now}" NX
ZADD raylane:queue:generate NX $now $id
ZADD raylane:session:$session:jobs NX ${now}000 $id
PEXPIRE raylane:session:$session:jobs 2592000000
PUBLISH raylane:wake:generate $id
EXEC
EOF
echo "job $id" >&2

# The record is the truth: it is enough to look at it. Somebody who wants each line at once reads the stream of events.
while status=$(redis HGET "$job" status); do
  case $status in
    succeeded) redis HGET "$job" result; exit ;;
    failed | cancelled) redis HGET "$job" error >&2; exit 1 ;;
  esac
  sleep 0.2
done
