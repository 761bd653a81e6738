# What every script needs: a word to the reader, the programs that build the project, and a way to install others.
# Sourced by POSIX shells, from the project's folder.

# Tells the reader what happens next.
say() {
    printf '==> %s\n' "$*" >&2
}

# Tells why it cannot go on, and ends.
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

is_root() {
    [ "$(id -u)" -eq 0 ]
}

# Whether `as_root` will work, without asking for a password.
can_be_root() {
    is_root || { has sudo && sudo -n true 2>/dev/null; }
}

as_root() {
    if is_root; then "$@"; else sudo -n "$@"; fi
}

# Prints apt, dnf or brew: the one that may be used here and now; fails where there is none.
package_manager() {
    if has apt-get && can_be_root; then
        echo apt
    elif has dnf && can_be_root; then
        echo dnf
    elif has brew && ! is_root; then # brew refuses root
        echo brew
    else
        return 1
    fi
}

# Prints the command that a person types to install a package: APT_NAME DNF_NAME APK_NAME MACOS_COMMAND.
install_command() {
    sudo=''
    is_root || sudo='sudo '
    if [ "$(uname -s)" = Darwin ]; then
        echo "$4"
    elif has apt-get; then
        echo "${sudo}apt-get install $1"
    elif has dnf; then
        echo "${sudo}dnf install $2"
    elif has apk; then
        echo "${sudo}apk add $3"
    else
        echo "install the package $1 or its like with your system's package manager"
    fi
}

# Ends with every command to type where something that builds the project is missing; installs nothing.
require_build_tools() {
    # A shell that was open while rustup ran does not have cargo on its PATH yet.
    if ! has cargo && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
        export PATH
    fi
    missing=''
    has git || missing="$missing
  git:           $(install_command git git git 'xcode-select --install')"
    has cc || missing="$missing
  a C compiler:  $(install_command 'gcc libc6-dev' gcc build-base 'xcode-select --install')"
    has cargo || missing="$missing
  Rust:          curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    [ -z "$missing" ] || die "these are needed first, each with the command that installs it:$missing"
}
