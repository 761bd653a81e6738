//! Style, script and fonts: embedded, named by their content, so that a browser may keep each for ever.

use std::{fmt::Write as _, sync::LazyLock};

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};

/// A file that pages load.
#[derive(Debug)]
pub(super) struct Asset {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

pub(super) static STYLE: Asset = Asset::style("console.css", include_bytes!("assets/console.css"));
pub(super) static SCRIPT: Asset = Asset::script("console.js", include_bytes!("assets/console.js"));
/// What the pages of a flow load besides.
pub(super) static EDITOR_STYLE: Asset = Asset::style("editor.css", include_bytes!("assets/editor.css"));
pub(super) static EDITOR_SCRIPT: Asset = Asset::script("editor.js", include_bytes!("assets/editor.js"));
pub(super) static ICON: Asset =
    Asset { name: "icon.svg", media_type: "image/svg+xml", bytes: include_bytes!("assets/icon.svg") };

/// Geist, by its authors under the SIL Open Font License 1.1, in `assets/geist-LICENSE.txt`.
pub(super) static FONT: Asset =
    Asset { name: "geist.woff2", media_type: "font/woff2", bytes: include_bytes!("assets/geist.woff2") };
static MONO: Asset = Asset {
    name: "geist-mono.woff2",
    media_type: "font/woff2",
    bytes: include_bytes!("assets/geist-mono.woff2"),
};
static LICENCE: Asset = Asset {
    name: "geist-license.txt",
    media_type: "text/plain; charset=utf-8",
    bytes: include_bytes!("assets/geist-LICENSE.txt"),
};

/// What a line's page loads besides, for its phone.
pub(super) static PHONE_STYLE: Asset = Asset::style("phone.css", include_bytes!("assets/phone.css"));
pub(super) static PHONE_SCRIPT: Asset = Asset::script("phone.js", include_bytes!("assets/phone.js"));

/// All of them.
static ALL: [&Asset; 10] = [
    &STYLE,
    &SCRIPT,
    &EDITOR_STYLE,
    &EDITOR_SCRIPT,
    &ICON,
    &FONT,
    &MONO,
    &LICENCE,
    &PHONE_STYLE,
    &PHONE_SCRIPT,
];

/// Their paths, in the same order.
static PATHS: LazyLock<[String; 10]> =
    LazyLock::new(|| ALL.map(|asset| format!("/console/assets/{}", asset.file())));

/// The style names the fonts' files, which have their hashes in them.
static STYLE_TEXT: LazyLock<String> = LazyLock::new(|| {
    let style = String::from_utf8_lossy(STYLE.bytes);
    style.replace("geist.woff2", &FONT.file()).replace("geist-mono.woff2", &MONO.file())
});

impl Asset {
    const fn style(name: &'static str, bytes: &'static [u8]) -> Self {
        Self { name, media_type: "text/css; charset=utf-8", bytes }
    }

    const fn script(name: &'static str, bytes: &'static [u8]) -> Self {
        Self { name, media_type: "text/javascript; charset=utf-8", bytes }
    }

    /// Name and a part of the hash: `console.1f2e3d4c5b6a.css`.
    fn file(&self) -> String {
        let digest = Sha256::digest(self.body());
        let (stem, end) = self.name.split_once('.').unwrap_or((self.name, ""));
        let mut file = format!("{stem}.");
        for byte in &digest[..6] {
            let _ = write!(file, "{byte:02x}"); // a String takes everything
        }
        format!("{file}.{end}")
    }

    fn body(&self) -> &'static [u8] {
        if self.name == STYLE.name { STYLE_TEXT.as_bytes() } else { self.bytes }
    }

    /// Where pages load it from.
    pub(super) fn path(&self) -> &'static str {
        let place = ALL.iter().position(|asset| asset.name == self.name).unwrap_or(0);
        &PATHS[place]
    }
}

/// `GET /console/assets/{file}`. Another hash is another file, and not here.
pub(super) async fn asset(Path(file): Path<String>) -> Response {
    let found = PATHS.iter().position(|path| path.ends_with(&format!("/{file}")));
    match found.and_then(|place| ALL.get(place)) {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.media_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.body()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_content_and_the_style_names_the_fonts() {
        for (asset, path) in ALL.iter().zip(PATHS.iter()) {
            assert_eq!(asset.path(), path);
        }
        let style = STYLE.body();
        let style = str::from_utf8(style).unwrap();
        assert!(style.contains(&FONT.file()) && style.contains(&MONO.file()), "fonts by their hashed names");
        assert!(!style.contains("url(http") && !style.contains("//fonts"), "no other host");
        let small = STYLE.bytes.len() + SCRIPT.bytes.len() + FONT.bytes.len() + MONO.bytes.len();
        assert!(small < 100_000, "{small} bytes beside a page");
    }
}
