//! How a p0f signature is read.

use std::ops::RangeInclusive;

use super::{InitialTtl, IpVersion, Multiple, OptionLayout, P0fSignature, Quirks, Window};
use crate::kinds::EOL;
use crate::signature::text::Piece;
use crate::{Field, Kinds, MAX_OPTION_BYTES, SignatureError};

/// The factors that `mss*` and `mtu*` may have.
pub(super) const FACTOR: RangeInclusive<u16> = 1..=1000;

const FORM: &str = "p0f is version:ittl:olen:mss:wsize,scale:olayout:quirks:pclass, such as \
                    `4:64:0:*:mss*44,7:mss,sok,ts,nop,ws:df,id+:0`";

pub(super) fn read(whole: Piece<'_>) -> Result<P0fSignature, SignatureError> {
    let fields: Vec<Piece<'_>> = whole.split(':').collect();
    let &[version, ttl, olen, mss, window, layout, quirks, payload] = fields.as_slice() else {
        let message = format!("a p0f signature has 8 fields between colons, and this has {}", fields.len());
        return Err(SignatureError::new(whole.span(), message, FORM));
    };
    let version = read_version(version)?;
    let (window, window_scale) = read_window_and_scale(window)?;
    let signature = P0fSignature {
        version,
        ttl: read_ttl(ttl)?,
        ip_options_len: narrow(number(olen, "length of IP options", 0..=255)?),
        mss: unless_star(mss, |piece| number(piece, "MSS", 0..=u16::MAX))?,
        window,
        window_scale,
        layout: read_layout(layout)?,
        quirks: list(quirks).map(|quirk| read_quirk(quirk, version)).collect::<Result<_, _>>()?,
        payload: read_payload(payload)?,
    };
    fits_the_header(&signature, layout)?;
    Ok(signature)
}

fn read_version(piece: Piece<'_>) -> Result<Field<IpVersion>, SignatureError> {
    match piece.text {
        "4" => Ok(Field::Is(IpVersion::V4)),
        "6" => Ok(Field::Is(IpVersion::V6)),
        "*" => Ok(Field::Any),
        _ => Err(SignatureError::new(piece.span(), "the IP version is 4, 6 or `*`", FORM)),
    }
}

fn read_ttl(piece: Piece<'_>) -> Result<InitialTtl, SignatureError> {
    const NAME: &str = "initial TTL";
    if let Some(most) = piece.strip_suffix("-") {
        return number(most, NAME, 1..=255).map(|most| InitialTtl::UpTo(narrow(most)));
    }
    let Some((ttl, distance)) = piece.split_once('+') else {
        return number(piece, NAME, 1..=255).map(|ttl| InitialTtl::Is(narrow(ttl)));
    };
    if distance.text == "?" {
        return Err(SignatureError::new(
            piece.span(),
            "p0f prints `+?` where it cannot guess the initial TTL, and does not read it",
            "write the initial TTL alone, mostly 64, 128 or 255",
        ));
    }
    let ttl = number(ttl, NAME, 1..=255)?;
    let distance = number(distance, "distance", 0..=255 - ttl)?;
    Ok(InitialTtl::Is(narrow(ttl + distance)))
}

fn read_window_and_scale(piece: Piece<'_>) -> Result<(Window, Field<u8>), SignatureError> {
    let Some((window, scale)) = piece.split_once(',') else {
        return Err(SignatureError::new(
            piece.span(),
            "the window and its scale stand in one field, with a comma between",
            format!("write `{},*` for any scale", piece.text),
        ));
    };
    let scale = unless_star(scale, |piece| number(piece, "window scale", 0..=255).map(narrow))?;
    Ok((read_window(window)?, scale))
}

fn read_window(piece: Piece<'_>) -> Result<Window, SignatureError> {
    if piece.text == "*" {
        Ok(Window::Any)
    } else if let Some(divisor) = piece.strip_prefix("%") {
        number(divisor, "divisor of the window", 2..=u16::MAX).map(Window::MultipleOf)
    } else if let Some(factor) = piece.strip_prefix("mss*") {
        number(factor, "factor", FACTOR).map(|factor| Window::Times(Multiple::Mss(factor)))
    } else if let Some(factor) = piece.strip_prefix("mtu*") {
        number(factor, "factor", FACTOR).map(|factor| Window::Times(Multiple::Mtu(factor)))
    } else {
        number(piece, "window", 0..=u16::MAX).map(Window::Is)
    }
}

fn read_layout(piece: Piece<'_>) -> Result<OptionLayout, SignatureError> {
    let mut kinds = Vec::new();
    let mut padding = 0;
    for option in list(piece) {
        if kinds.last() == Some(&EOL) {
            let message = "EOL ends the options, so no SYN shows one after it";
            return Err(SignatureError::new(option.span(), message, "p0f lists `eol+N` at the end"));
        }
        let (kind, behind) = read_option(option)?;
        kinds.push(kind);
        padding = behind;
    }
    let layout = Kinds::new(&kinds).and_then(|kinds| OptionLayout::new(kinds, padding));
    layout.ok_or_else(|| too_many_options(piece, kinds.len()))
}

/// The kind of an option, and the bytes behind it where it is EOL.
fn read_option(piece: Piece<'_>) -> Result<(u8, u8), SignatureError> {
    if let Some(padding) = piece.strip_prefix("eol+") {
        number(padding, "padding after EOL", 0..=255).map(|bytes| (EOL, narrow(bytes)))
    } else if let Some(kind) = piece.strip_prefix("?") {
        number(kind, "option kind", 0..=255).map(|kind| (narrow(kind), 0))
    } else {
        let named = OptionLayout::kind_named(piece.text);
        named.map(|kind| (kind, 0)).ok_or_else(|| unknown_option(piece))
    }
}

fn too_many_options(piece: Piece<'_>, count: usize) -> SignatureError {
    let most = OptionLayout::MAX_OPTIONS;
    SignatureError::new(
        piece.span(),
        format!("p0f looks at {most} options at most, and these are {count}"),
        format!("of a SYN with more it shows the first {most} and the quirk `bad`"),
    )
}

fn unknown_option(piece: Piece<'_>) -> SignatureError {
    let help = match piece.text {
        "" => "one comma stands between two options, and nowhere else",
        "eol" => "write `eol+N`, with N the bytes of padding after it",
        _ => "options are nop, mss, ws, sok, sack, ts, eol+N, and ?N for any kind N",
    };
    let message = format!("p0f knows no option `{}`", piece.text.escape_debug());
    SignatureError::new(piece.span(), message, help)
}

fn read_quirk(piece: Piece<'_>, version: Field<IpVersion>) -> Result<Quirks, SignatureError> {
    let Some(quirk) = Quirks::named(piece.text) else {
        let message = format!("p0f knows no quirk `{}`", piece.text.escape_debug());
        let all: Vec<&str> = Quirks::ALL.names().collect();
        return Err(SignatureError::new(piece.span(), message, format!("quirks are {}", all.join(", "))));
    };
    match version {
        Field::Is(version) if Quirks::impossible_in(version).contains(quirk) => {
            let message = format!("no IPv{version} packet has the quirk `{}`", piece.text);
            Err(SignatureError::new(piece.span(), message, "leave it out, or change the version"))
        }
        _ => Ok(quirk),
    }
}

fn read_payload(piece: Piece<'_>) -> Result<Field<bool>, SignatureError> {
    match piece.text {
        "0" => Ok(Field::Is(false)),
        "+" => Ok(Field::Is(true)),
        "*" => Ok(Field::Any),
        _ => Err(SignatureError::new(
            piece.span(),
            "the payload class is `0`, `+` or `*`",
            "write `0` for no payload, `+` for some, `*` for either",
        )),
    }
}

/// Refuses options that no TCP header can hold. With the quirk `bad` the last one may be cut short.
fn fits_the_header(signature: &P0fSignature, layout: Piece<'_>) -> Result<(), SignatureError> {
    let bytes = signature.layout.least_bytes(signature.quirks.contains(Quirks::BAD));
    if bytes <= MAX_OPTION_BYTES {
        return Ok(());
    }
    let message = format!("these options take at least {bytes} bytes, more than a TCP header holds");
    let help = format!("a TCP header has room for {MAX_OPTION_BYTES} bytes of options");
    Err(SignatureError::new(layout.span(), message, help))
}

/// The items between commas; an empty list has none.
fn list(piece: Piece<'_>) -> impl Iterator<Item = Piece<'_>> {
    piece.split(',').filter(move |_| !piece.text.is_empty())
}

/// `*`, or else what `read` makes of the piece.
fn unless_star<'a, T>(
    piece: Piece<'a>,
    read: impl FnOnce(Piece<'a>) -> Result<T, SignatureError>,
) -> Result<Field<T>, SignatureError> {
    if piece.text == "*" { Ok(Field::Any) } else { read(piece).map(Field::Is) }
}

/// A decimal number within `range`. p0f reads zeros in front, and so does this.
fn number(piece: Piece<'_>, name: &str, range: RangeInclusive<u16>) -> Result<u16, SignatureError> {
    let digits = !piece.text.is_empty() && piece.text.bytes().all(|byte| byte.is_ascii_digit());
    let value = piece.text.parse().ok().filter(|value| digits && range.contains(value));
    value.ok_or_else(|| {
        let message = match piece.text {
            "" => format!("the {name} is missing"),
            text if digits => format!("the {name} {text} is out of range"),
            text => format!("the {name} `{}` is not a number", text.escape_debug()),
        };
        let help = format!("the {name} is a number from {} to {}", range.start(), range.end());
        SignatureError::new(piece.span(), message, help)
    })
}

/// A number whose range was within that of a byte.
fn narrow(number: u16) -> u8 {
    number.to_be_bytes()[1]
}
