//! What a person may have meant.

/// At most `count` of the candidates, the likeliest first: those that end in the same name, then by how few letters
/// would have to change.
pub(super) fn nearest<'c>(wanted: &str, candidates: &'c [String], count: usize) -> Vec<&'c str> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_lowercase();
    let distance = |candidate: &str| {
        let elsewhere = last(candidate) != last(wanted);
        (elsewhere, changes(&wanted.to_lowercase(), &candidate.to_lowercase()))
    };
    let mut sorted: Vec<&str> = candidates.iter().map(String::as_str).collect();
    sorted.sort_by_cached_key(|candidate| distance(candidate));
    sorted.truncate(count);
    sorted
}

/// How many letters must be put in, taken out or exchanged to make one text of the other.
fn changes(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, &against) in other.iter().enumerate() {
            let exchanged = diagonal + usize::from(letter != against);
            diagonal = row[column + 1];
            row[column + 1] = exchanged.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeliest_first() {
        assert_eq!(changes("kitten", "sitting"), 3);
        assert_eq!(changes("", "abc"), 3);
        let paths = ["id", "type", "data.object.id", "data.object.status", "data.object.items.data.0.id"]
            .map(str::to_owned);
        assert_eq!(nearest("data.object.stauts", &paths, 1), ["data.object.status"]);
        assert_eq!(nearest("status", &paths, 1), ["data.object.status"]);
        assert_eq!(nearest("object.id", &paths, 2), ["data.object.id", "id"]);
        assert_eq!(nearest("x", &[], 3), Vec::<&str>::new());
    }
}
