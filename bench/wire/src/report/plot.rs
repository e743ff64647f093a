//! The plots.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::bed::Receiver;
use crate::latency::LatencyRow;
use crate::suite::{FIXED_RATES, Results};
use crate::throughput::Row;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 1000;

/// Draws them, and gives the names of their files.
pub(crate) fn all(results: &Results, driver_mode: &str, stem: &str, folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let workload = "60-byte frames";
    let rows: Vec<&Row> =
        results.throughput.iter().filter(|row| row.workload == workload && row.faults().is_empty()).collect();
    let bars: Vec<Bar<'_>> = rows.iter().map(|row| throughput_bar(row)).collect();
    let title = format!("60-byte frames, million a second; *: another core receives ({})", driver_mode);
    files.extend(draw(folder, &format!("{stem}-throughput.svg"), &title, &bars)?);
    let fast = format!("{} frames/s", FIXED_RATES[1]);
    let latencies = results.latency.iter().filter(|row| row.load == fast && row.faults().is_empty());
    let bars: Vec<Bar<'_>> = latencies.map(latency_bar).collect();
    let title = format!("One way at 100,000 frames a second, µs: median, and up to p99 ({driver_mode})");
    files.extend(draw(folder, &format!("{stem}-latency.svg"), &title, &bars)?);
    if !results.loss.is_empty() {
        let file = format!("{stem}-loss.svg");
        draw_loss(results, driver_mode, &folder.join(&file)).map_err(|error| anyhow!("{file}: {error}"))?;
        files.push(file);
    }
    Ok(files)
}

/// A bar, and how far the value reaches.
struct Bar<'a> {
    name: &'a str,
    /// Whether another core receives for it.
    has_help: bool,
    value: f64,
    reach: (f64, f64),
}

fn throughput_bar(row: &Row) -> Bar<'_> {
    let [least, median, most] = row.spread(|turn| turn.rate / 1e6);
    Bar {
        name: &row.contender,
        has_help: row.receiver == Receiver::Sender,
        value: median,
        reach: (least, most),
    }
}

fn latency_bar(row: &LatencyRow) -> Bar<'_> {
    let (p50, p99) = (row.median(|latency| latency.p50), row.median(|latency| latency.p99));
    Bar { name: &row.contender, has_help: false, value: p50, reach: (p50, p99) }
}

/// One bar below the other, named; the file's name, if there was anything to draw.
fn draw(folder: &Path, file: &str, title: &str, bars: &[Bar<'_>]) -> Result<Option<String>> {
    if bars.is_empty() {
        return Ok(None);
    }
    let path = folder.join(file);
    let height = 70 + 28 * bars.len() as u32;
    let area = SVGBackend::new(&path, (WIDTH, height)).into_drawing_area();
    draw_bars(&area, title, bars).map_err(|error| anyhow!("{file}: {error}"))?;
    Ok(Some(file.to_owned()))
}

fn draw_bars(area: &Area<'_>, title: &str, bars: &[Bar<'_>]) -> Result<(), Box<dyn std::error::Error>> {
    area.fill(&WHITE)?;
    let most = bars.iter().fold(0.0, |most: f64, bar| most.max(bar.reach.1)) * 1.02;
    let rows = bars.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .margin_left(360)
        .x_label_area_size(24)
        .build_cartesian_2d(0.0..most, rows..0.0)?;
    chart.configure_mesh().disable_y_mesh().y_labels(0).draw()?;
    for (row, bar) in bars.iter().enumerate() {
        let (top, middle) = (row as f64 + 0.15, row as f64 + 0.5);
        let colour =
            if bar.name.starts_with("Synward") { RGBColor(30, 110, 190) } else { RGBColor(170, 175, 180) };
        let shape = Rectangle::new([(0.0, top), (bar.value, row as f64 + 0.85)], colour.filled());
        chart.draw_series([shape])?;
        chart.draw_series([PathElement::new(vec![(bar.reach.0, middle), (bar.reach.1, middle)], BLACK)])?;
        let place = chart.backend_coord(&(0.0, middle));
        let text = format!("{}{}  {:.2}", bar.name, if bar.has_help { " *" } else { "" }, bar.value);
        let style = ("sans-serif", 13).into_text_style(area).pos(text_end());
        area.draw_text(&text, &style, (place.0 - 8, place.1))?;
    }
    area.present()?;
    Ok(())
}

/// Text that ends where it is put, in the middle of its height.
fn text_end() -> plotters::style::text_anchor::Pos {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    Pos::new(HPos::Right, VPos::Center)
}

/// A line for each contender: the loss against the rate.
fn draw_loss(results: &Results, driver_mode: &str, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, (WIDTH, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let curves = || results.loss.iter().filter(|curve| curve.faults.is_empty());
    let points = || curves().flat_map(|curve| &curve.points);
    let fastest = points().fold(1.0, |most: f64, (rate, _)| most.max(*rate as f64)) / 1e6;
    let most = points().fold(1.0, |most: f64, (_, loss)| most.max(100.0 * loss));
    let mut chart = ChartBuilder::on(&area)
        .caption(
            format!("Loss in per cent, against million 60-byte frames a second ({driver_mode})"),
            ("sans-serif", 16),
        )
        .margin(10)
        .x_label_area_size(24)
        .y_label_area_size(40)
        .build_cartesian_2d(0.0..fastest, 0.0..most)?;
    chart.configure_mesh().draw()?;
    for (place, curve) in curves().enumerate() {
        let colour = Palette99::pick(place).to_rgba();
        let line = curve.points.iter().map(|(rate, loss)| (*rate as f64 / 1e6, 100.0 * loss));
        let legend = move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2));
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
            .label(&curve.contender)
            .legend(legend);
    }
    let mut labels = chart.configure_series_labels();
    labels
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}
