#!/bin/sh
# Run a command in this checkout as a user without privileges: as_user.sh USER REPORT COMMAND...
# REPORT is the JUnit file that the command writes as $REPORT; it is brought back. Exit status 77: the user cannot read this.
set -eu
user=$1
report=$2
shift 2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
mkdir "$scratch/own"
chown "$user" "$scratch/own"
export HOME="$scratch/own" TMPDIR="$scratch/own" REPORT="$scratch/own/report.xml"
export PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY="$scratch/own/hypothesis"
as_user() {
    setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "$@"
}
as_user "$1" -c "import pytest, unite_search" || exit 77
status=0
as_user "$@" "--junitxml=$REPORT" || status=$?
mkdir -p "$(dirname "$report")"
cp "$REPORT" "$report"
exit "$status"
