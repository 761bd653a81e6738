//! The console's own icons: lines of one width on a grid of 20, in the colour of the text beside them. Each stands with a
//! word, so a reader passes over it.

use maud::{Markup, html};

macro_rules! icons {
    ($($name:ident $path:literal)*) => {
        $(pub(super) fn $name() -> Markup { icon($path) })*
    };
}

fn icon(path: &'static str) -> Markup {
    html! {
        svg.icon viewBox="0 0 20 20" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.6"
            stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false" { path d=(path) {} }
    }
}

icons! {
    overview "M3 11.5 6.5 8l3 3L17 3.5M3 16.5h14"
    events "M3 10h3l2.2-5.5 3.6 11L14 10h3"
    refused "M10 2.8 16.5 5v5c0 3.600-2.700 6-6.500 7.200C6.200 16 3.500 13.600 3.500 10V5zM7.800 7.800l4.400 4.400m0-4.400-4.400 4.400"
    dead "M3.500 5.500h13v10h-13zM3.500 9h3l1.200 2h4.600l1.200-2h3"
    calls "M5 3.500h2.500l1.200 3.600-1.700 1.300a8.500 8.500 0 0 0 4.600 4.600l1.300-1.700 3.600 1.200V15c0 .900-.700 1.500-1.500 1.500C9 16.500 3.500 11 3.500 5c0-.800.600-1.500 1.500-1.500z"
    messages "M3.500 4.500h13v9h-7L6 16.500v-3H3.500zM6.800 8h6.400M6.800 10.500h4"
    outbox "M3.500 11.500v4.500h13v-4.500M10 12V3.500M6.500 7 10 3.500 13.500 7"
    lines "M3.500 6h13M3.500 10h13M3.500 14h8"
    accounts "M10 9.500a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 16.500c.500-3 3-4.500 6-4.500s5.500 1.500 6 4.500"
    setup "M3.500 5.500 5 7l2.500-3M3.500 11.500 5 13l2.500-3M10.500 6h6M10.500 12h6M3.500 16.500h13"
    settings "M3 6h7m4 0h3M3 14h3m4 0h7M12 4v4M8 12v4"
    search "M9 14.500a5.500 5.500 0 1 0 0-11 5.500 5.500 0 0 0 0 11zM13 13l4 4"
    ok "M4.500 10.500 8.500 14.500 15.500 6"
    bad "M5.500 5.500l9 9m0-9-9 9"
    alert "M10 3 17.500 16.500h-15zM10 8v4M10 14.300v.100"
    wait "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4l2.500 1.500"
    info "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 9.500v4M10 6.500v.100"
    copy "M7 7h9.500v9.500H7zM13 7V3.500H3.500V13H7"
    replay "M4 10a6 6 0 1 1 1.800 4.300M4 15.500v-3.200h3.200"
    eye "M2.500 10S5 5 10 5s7.500 5 7.500 5-2.500 5-7.500 5-7.500-5-7.500-5zM10 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z"
    arrow "M7.500 4.500 13 10l-5.500 5.500"
    incoming "M15.500 4.500l-10 10M5.500 8v6.500H12"
    outgoing "M4.500 15.500l10-10M8 5.500h6.500V12"
    sun "M10 13.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM10 1.800v1.700M10 16.500v1.700M1.800 10h1.700M16.500 10h1.700M4.200 4.200l1.200 1.200M14.600 14.600l1.200 1.200M4.200 15.800l1.200-1.200M14.600 5.400l1.200-1.200"
    moon "M16.500 11.500A7 7 0 1 1 8.500 3.500a5.500 5.500 0 0 0 8 8z"
    system "M3 4h14v9.500H3zM7.500 16.500h5M10 13.500v3"
    key "M7 12.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM10.500 9H17v3M14 9v2.500"
    menu "M3 5.500h14M3 10h14M3 14.500h14"
    dash "M5 10h10"
}
