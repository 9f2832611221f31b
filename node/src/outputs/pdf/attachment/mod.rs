//! The reader's own PDF, placed page by page into the report's frame.
//!
//! The bytes come from outside, so the PDF library never sees them. A bounded, iterative reader
//! walks the file and writes a new, plain one that holds the pages' content and the resources it
//! needs, and nothing else: no actions, scripts, annotations, forms, attachments, outlines or
//! metadata. That copy is what is placed. Comments and form fields would be lost in it silently, so
//! a file that has any is refused.

mod copy;
mod filters;
mod object;
mod pages;
mod store;
mod xref;

use std::sync::Arc;

use krilla::pdf::{Pdf, PdfDocument};

use super::canvas::{self, Area, Item, LINE, QUIET, Style};
use super::faces::Faces;
use super::frame::Paper;
use super::labels;
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// Largest file: 200 scanned pages at 160 KiB.
pub(super) const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Most pages: ten times the longest report of any department.
pub(super) const MAX_PAGES: usize = 200;

/// Why a PDF was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AttachmentError {
    /// Larger than the limit.
    TooLarge {
        /// Bytes given.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// More pages than the limit.
    TooManyPages {
        /// The limit.
        limit: usize,
    },
    /// Not a PDF at all.
    NotAPdf,
    /// Encrypted, with or without a password to open it.
    Encrypted,
    /// Comments, stamps or form fields, which are not part of the page content.
    Annotations {
        /// Page, counted from 1.
        page: usize,
    },
    /// A Japanese (or other composite) font is only named, not contained: on another computer its
    /// text may be missing without any sign.
    FontNotEmbedded,
    /// Structure that cannot be read.
    Damaged {
        /// What cannot be read.
        what: &'static str,
    },
    /// A compression this reader does not know where it must look inside.
    Compression,
    /// Unpacks to more than it may.
    Expands {
        /// Which bound.
        what: &'static str,
    },
}

impl Explain for AttachmentError {
    fn message(&self) -> Message {
        match self {
            AttachmentError::TooLarge { bytes, limit } => say!(
                "ファイルが大きすぎます（{bytes} バイト、上限 {limit}）。画像を小さくして保存し直してください",
                "it has {bytes} bytes, the limit is {limit}: save it with smaller images"
            ),
            AttachmentError::TooManyPages { limit } => say!(
                "{limit} ページを超えています。レポートのページだけを添付してください",
                "it has more than {limit} pages: attach the report pages only"
            ),
            AttachmentError::NotAPdf => say!(
                "PDF ファイルではありません",
                "it is not a PDF (no %PDF- header)"
            ),
            AttachmentError::Encrypted => say!(
                "暗号化されています。パスワードなしで保存し直してください",
                "it is encrypted: save it without a password"
            ),
            AttachmentError::Annotations { page } => say!(
                "{page} ページにコメントまたは入力欄があり、そのままでは失われます。新しい PDF として印刷し直してください",
                "page {page} has comments or form fields, which would be lost: print it to a new PDF"
            ),
            AttachmentError::FontNotEmbedded => say!(
                "フォントが埋め込まれていないため、ほかのコンピュータで文字が欠けるおそれがあります。フォントを埋め込んで保存し直してください",
                "a font is not embedded, so text may be missing elsewhere: save it with all fonts"
            ),
            AttachmentError::Damaged { what } => say!(
                "ファイルが壊れています（{what}）。新しい PDF として印刷し直してください",
                "it is damaged ({what}): print it to a new PDF"
            ),
            AttachmentError::Compression => say!(
                "対応していない圧縮方式です。新しい PDF として印刷し直してください",
                "it uses a compression that is not supported for page content: print it to a new PDF"
            ),
            AttachmentError::Expands { what } => say!(
                "展開後の大きさが上限を超えます（{what}）。新しい PDF として印刷し直してください",
                "it unpacks to more than the limit ({what}): print it to a new PDF"
            ),
        }
    }
}

displayed_in_english!(AttachmentError);

impl AttachmentError {
    fn damaged(what: &'static str) -> AttachmentError {
        AttachmentError::Damaged { what }
    }
}

/// A checked and rewritten PDF.
pub(super) struct OwnPdf {
    pub(super) document: PdfDocument,
    /// Width and height of each page as displayed, in points.
    sizes: Vec<(f32, f32)>,
}

/// Check and rewrite a PDF from outside.
///
/// # Errors
/// [`AttachmentError`]; the file is refused as a whole.
pub(super) fn load(bytes: &[u8]) -> Result<OwnPdf, AttachmentError> {
    let plain = rewritten(bytes)?;
    let pdf = Pdf::new(plain).map_err(|_| AttachmentError::damaged("its pages"))?;
    let sizes = pdf
        .pages()
        .iter()
        .map(|page| page.render_dimensions())
        .collect();
    let document = PdfDocument::new(Arc::new(pdf));
    Ok(OwnPdf { document, sizes })
}

/// A new PDF with nothing but the pages of `bytes`.
///
/// # Errors
/// [`AttachmentError`]; the file is refused as a whole.
pub fn rewritten(bytes: &[u8]) -> Result<Vec<u8>, AttachmentError> {
    if bytes.len() > MAX_BYTES {
        return Err(AttachmentError::TooLarge {
            bytes: bytes.len(),
            limit: MAX_BYTES,
        });
    }
    let (table, root) = xref::read(bytes)?;
    let mut store = store::Store::new(bytes, table);
    let pages = pages::collect(&mut store, root)?;
    copy::write(&mut store, &pages)
}

/// One report page for each page of the PDF, upright or wide as the page is.
pub(super) fn pages(faces: &Faces, own: &OwnPdf) -> Vec<(Paper, Vec<Item>)> {
    let total = own.sizes.len();
    own.sizes
        .iter()
        .enumerate()
        .map(|(index, (width, height))| {
            // Turned only when the page would not fit upright at its own size.
            let wide = width > height && *width > Paper::A4.body().width;
            let paper = if wide { Paper::A4_WIDE } else { Paper::A4 };
            (paper, placed(faces, paper, index, total, (*width, *height)))
        })
        .collect()
}

fn placed(faces: &Faces, paper: Paper, index: usize, total: usize, size: (f32, f32)) -> Vec<Item> {
    let body = paper.body();
    let caption = labels::own_pdf_page(index + 1, total);
    let style = Style::regular(7.5, QUIET);
    let words = canvas::text(faces, body.x, body.y + 7.0, &caption, style);
    let (top, room) = (body.y + 12.0, body.height - 12.0);
    let scale = (body.width / size.0).min(room / size.1).min(1.0);
    let (width, height) = (size.0 * scale, size.1 * scale);
    let area = Area {
        x: body.x + (body.width - width) / 2.0,
        y: top,
        width,
        height,
    };
    let border = Item::Border {
        area,
        colour: LINE,
        thickness: 0.6,
    };
    vec![words, Item::OwnPage { page: index, area }, border]
}

#[cfg(test)]
mod tests;
