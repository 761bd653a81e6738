//! Words that a POSIX shell reads back letter by letter.

/// Quotes `word` for a POSIX shell, unless it holds only letters that no shell gives a meaning to.
pub(super) fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_the_same_back() {
        for word in [
            "",
            "plain-word_1.2/3:4=5@6%7+8,9",
            "it's",
            "''",
            r#"{"a": "b\n"}"#,
            "a b\tc\nd",
            "$HOME `id` \\ \" ! * ? ~ # & ; | < > ( ) [ ] { }",
            "-d",
            "žluťoučký 🐎",
            "From=%2B14155550142&Body=a+b",
        ] {
            let script = format!("printf %s {}", quote(word));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word, "{script}");
        }
    }
}
