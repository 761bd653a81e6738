//! The pages as text. Everything that is not written here goes through [`escaped`].

use std::fmt::Write as _;

use serde_json::Value;

use crate::http::{
    api::openapi::openapi,
    problem::{Code, Entry, page_of},
};

/// Text as HTML shows it, in an element or an attribute.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(character),
        }
    }
    html
}

/// The same, with what stands between backticks as code.
fn prose(text: &str) -> String {
    let mut html = String::new();
    for (place, part) in text.split('`').enumerate() {
        let part = escaped(part);
        if place % 2 == 1 {
            let _ = write!(html, "<code>{part}</code>");
        } else {
            html.push_str(&part);
        }
    }
    html
}

fn page(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} · SmartLine</title>\n\
         <link rel=\"stylesheet\" href=\"/docs/style.css\">\n</head>\n<body>\n\
         <nav aria-label=\"Documentation\"><ul><li><a href=\"/docs\">API</a></li><li><a href=\"/docs/errors\">Errors</a></li>\
         <li><a href=\"/api/v1/openapi.json\">OpenAPI 3.1</a></li></ul></nav>\n<main>\n<h1>{title}</h1>\n{body}</main>\n\
         </body>\n</html>\n"
    )
}

/// The page of a code.
pub(super) fn error_page(code: Code) -> String {
    let Entry { code, status, title, detail, fix } = code.entry();
    let body = format!(
        "<p><strong>{status}</strong> {}. {}</p>\n<h2>What mends it</h2>\n<p>{}</p>\n\
         <p>The answer's <code>request_id</code> stands in the log line that names the exact cause.</p>\n",
        prose(title),
        prose(detail),
        prose(fix),
    );
    page(code, &body)
}

/// Every code.
pub(super) fn errors_page() -> String {
    let mut body = String::from(
        "<p>Every refusal is RFC 9457 problem JSON with one of these codes.</p>\n<table>\n<thead><tr><th scope=\"col\">Code</th>\
         <th scope=\"col\">Status</th><th scope=\"col\">What it says</th></tr></thead>\n<tbody>\n",
    );
    for code in Code::ALL {
        let Entry { code, status, title, .. } = code.entry();
        let _ = writeln!(
            body,
            "<tr><td><a href=\"{}\"><code>{code}</code></a></td><td>{status}</td><td>{}</td></tr>",
            page_of(code),
            prose(title)
        );
    }
    body.push_str("</tbody>\n</table>\n");
    page("Errors", &body)
}

/// The reference of the API, made of its `OpenAPI` document.
pub(super) fn reference() -> String {
    let document = openapi();
    let about = document["info"]["description"].as_str().unwrap_or_default();
    let mut body = format!(
        "<p>{}</p>\n<pre>curl -H \"Authorization: Bearer $KEY\" \"$SMARTLINE/api/v1/calls?limit=5\"</pre>\n\
         <p><code>smartline keys create</code> makes a key; <code>SMARTLINE_API_KEY</code> is the first.</p>\n",
        prose(about)
    );
    let mut resource = "";
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        let name = path.split('/').nth(3).unwrap_or_default();
        if name != resource {
            resource = name;
            let _ = writeln!(body, "<h2 id=\"{0}\">{0}</h2>", escaped(name));
        }
        for (method, operation) in methods.as_object().into_iter().flatten() {
            body.push_str(&operation_part(path, method, operation));
        }
    }
    page("API reference", &body)
}

fn operation_part(path: &str, method: &str, operation: &Value) -> String {
    let text = |value: &Value| prose(value.as_str().unwrap_or_default());
    let mut part = format!(
        "<details>\n<summary><span class=\"method\">{}</span> <code>{}</code> <span>{}</span></summary>\n<p>{}</p>\n",
        escaped(&method.to_uppercase()),
        escaped(path),
        text(&operation["summary"]),
        text(&operation["description"]),
    );
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let mut rows: Vec<String> = parameters
        .map(|parameter| {
            row(&parameter["name"], &parameter["in"], &parameter["schema"], &parameter["description"])
        })
        .collect();
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    for (name, schema) in body["properties"].as_object().into_iter().flatten() {
        rows.push(row(&name.as_str().into(), &"body".into(), schema, &schema["description"]));
    }
    if !rows.is_empty() {
        let head =
            ["Parameter", "In", "Type", "What it is"].map(|name| format!("<th scope=\"col\">{name}</th>"));
        let _ = writeln!(
            part,
            "<table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n</table>",
            head.concat(),
            rows.concat()
        );
    }
    let _ = writeln!(part, "<p>Refuses with {}.</p>\n</details>", refusals(operation));
    part
}

/// The codes of an operation, each with a link to its page.
fn refusals(operation: &Value) -> String {
    let responses = operation["responses"].as_object().into_iter().flatten();
    let codes = responses.flat_map(|(_, response)| {
        let schema = &response["content"]["application/problem+json"]["schema"];
        schema["allOf"][1]["properties"]["code"]["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    });
    let linked = |code: &str| format!("<a href=\"{}\"><code>{}</code></a>", page_of(code), escaped(code));
    codes.map(linked).collect::<Vec<_>>().join(", ")
}

fn row(name: &Value, place: &Value, schema: &Value, about: &Value) -> String {
    let text = |value: &Value| prose(value.as_str().unwrap_or_default());
    let of_words = |words: &Value| {
        let words = words.as_array()?.iter().filter_map(Value::as_str);
        Some(words.collect::<Vec<_>>().join(", "))
    };
    let kind = of_words(&schema["enum"])
        .or_else(|| schema["format"].as_str().map(str::to_owned))
        .or_else(|| of_words(&schema["type"]))
        .unwrap_or_else(|| schema["type"].as_str().unwrap_or_default().to_owned());
    format!(
        "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        text(name),
        text(place),
        escaped(&kind),
        text(about)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_shown_is_text() {
        assert_eq!(
            prose("<b a=\"1\"> & `x<y` 'z'"),
            "&lt;b a=&quot;1&quot;&gt; &amp; <code>x&lt;y</code> &#39;z&#39;"
        );
    }

    #[test]
    fn every_page_is_whole_and_loads_nothing_from_elsewhere() {
        let mut pages = vec![reference(), errors_page()];
        pages.extend(Code::ALL.iter().map(|code| error_page(*code)));
        for page in pages {
            for forbidden in ["<script", "style=", "href=\"http", "src=", "url(", "onclick"] {
                assert!(!page.contains(forbidden), "{forbidden} in {page}");
            }
            for element in ["main", "details", "table", "tbody", "code", "ul", "p", "summary"] {
                let opened = page.matches(&format!("<{element}>")).count();
                assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "<{element}> in {page}");
            }
        }
    }
}
