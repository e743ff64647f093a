//! Bars, a group for each row and a colour for each structure.

use std::error::Error;
use std::io;
use std::path::Path;

use plotters::prelude::*;
use synward_bench::record::Figure;

/// What a plot shows: the end of its file's name, its title, its rows.
type Plot = (&'static str, &'static str, &'static [&'static str]);

const PLOTS: [Plot; 3] = [
    (
        "look-ups-v4",
        "IPv4: nanoseconds for a look-up",
        &[
            "IPv4, 1 M, random address",
            "IPv4, 10 M, random address",
            "IPv4, 1 M, inside a prefix",
            "IPv4, 10 M, inside a prefix",
        ],
    ),
    (
        "look-ups-v6",
        "IPv6: nanoseconds for a look-up",
        &["IPv6, 1 M, miss", "IPv6, 1 M, inside a prefix", "IPv6 clustered, 1 M, inside a prefix"],
    ),
    ("memory", "MiB of memory", &["IPv4, 1 M, memory", "IPv4, 10 M, memory", "IPv6, 1 M, memory"]),
];

/// Draws what there are figures for, and gives the names of the files.
pub(crate) fn all(figures: &[Figure], folder: &Path, stem: &str) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for (end, title, rows) in PLOTS {
        let groups: Vec<_> =
            rows.iter().map(|row| group(figures, row)).filter(|group| !group.bars.is_empty()).collect();
        if !groups.is_empty() {
            let file = format!("{stem}-{end}.svg");
            draw(&folder.join(&file), title, &groups).map_err(|error| io::Error::other(error.to_string()))?;
            files.push(file);
        }
    }
    Ok(files)
}

struct Group<'a> {
    row: &'a str,
    bars: Vec<&'a Figure>,
}

/// The figures of a row. What is far beyond the others would make them all look alike.
fn group<'a>(figures: &'a [Figure], row: &'a str) -> Group<'a> {
    let bars = figures.iter().filter(|figure| figure.row == row && figure.value < 100_000.0).collect();
    Group { row, bars }
}

/// The structures, in the order in which they come first.
fn peers<'a>(groups: &[Group<'a>]) -> Vec<&'a str> {
    let mut peers = Vec::new();
    for figure in groups.iter().flat_map(|group| &group.bars) {
        if !peers.contains(&figure.peer.as_str()) {
            peers.push(&figure.peer);
        }
    }
    peers
}

/// Where the bars of a structure stand, and how high they are. Each group has room for `wide` bars.
fn bars(groups: &[Group<'_>], peer: &str, place: usize, wide: usize) -> Vec<(f64, f64)> {
    let of_peer = |(group, found): (usize, &Group<'_>)| {
        let figure = found.bars.iter().find(|figure| figure.peer == peer)?;
        Some(((group * wide + place) as f64 + 0.5, figure.value))
    };
    groups.iter().enumerate().filter_map(of_peer).collect()
}

/// On a logarithmic scale, with room for a group more: there the names of the structures stand.
fn draw(path: &Path, title: &str, groups: &[Group<'_>]) -> Result<(), Box<dyn Error>> {
    let peers = peers(groups);
    let wide = peers.len() + 1;
    let most = groups.iter().flat_map(|group| &group.bars).fold(1.0, |most, figure| figure.value.max(most));
    let area = SVGBackend::new(path, (1000, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(10)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..(wide * (groups.len() + 1)) as f64, (1.0..most * 4.0).log_scale())?;
    chart.configure_mesh().disable_x_mesh().x_labels(0).draw()?;
    for (place, peer) in peers.iter().enumerate() {
        let colour = Palette99::pick(place).to_rgba().filled();
        let bars = bars(groups, peer, place, wide);
        let bars = bars.into_iter().map(|(x, value)| Rectangle::new([(x, 1.0), (x + 0.9, value)], colour));
        let legend = move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour);
        chart.draw_series(bars)?.label(*peer).legend(legend);
    }
    let names = groups.iter().enumerate().map(|(place, group)| {
        Text::new(group.row.to_owned(), ((place * wide) as f64 + 0.5, most * 1.5), ("sans-serif", 13))
    });
    chart.draw_series(names)?;
    let mut labels = chart.configure_series_labels();
    labels
        .position(SeriesLabelPosition::MiddleRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}
