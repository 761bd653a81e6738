# Gets a headless Chromium and its driver where they are missing. Needs tools.sh; sourced from the project's folder.

# What a person would type.
browser_by_hand=$(install_command 'chromium chromium-driver' 'chromium chromedriver' 'chromium chromium-chromedriver' 'brew install --cask chromium chromedriver')

browser_found() {
    has chromedriver && { has chromium || has chromium-browser || has google-chrome; }
}

# Returns when both are there, or ends with what to do.
require_browser() {
    if browser_found; then return; fi
    if manager=$(package_manager); then
        say "Chromium or its driver is missing, which tests of the console drive: installing both by $manager"
        case $manager in
            apt)
                as_root apt-get update -q &&
                    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium chromium-driver
                ;;
            dnf) as_root dnf install -y chromium chromedriver ;;
            brew) brew install --cask chromium chromedriver ;;
        esac || say "$manager did not install them"
    fi
    browser_found || die "Chromium and chromedriver are needed for the tests of the console. Run:
  $browser_by_hand"
}
