//! FETCH of what folders in memory have: no row is read for it.

use super::{BYTES_MAX, Plan, content_id, flags, uid};
use crate::doors::imap::grammar::Attribute;
use crate::doors::imap::out::Out;
use crate::doors::imap::state::Selected;
use crate::mailbox::{Light, Lights, Uid};

/// Of so many messages each is read by itself, rather than the folder brought to memory.
pub(super) const FEW: u32 = 32;

/// Whether folders in memory have it.
pub(super) fn is_light(attribute: &Attribute) -> bool {
    use Attribute::{EmailId, Flags, ModSeq, Size, Uid};
    matches!(attribute, Flags | Uid | Size | ModSeq | EmailId)
}

impl Plan {
    /// As [`Self::batch`], of what is held in memory.
    pub(super) fn lights(&mut self, lights: &Lights, selected: &Selected, out: &mut Out) {
        while let Some((low, high)) = self.left.pop() {
            for light in lights.range(Uid(low), Uid(high)) {
                if out.len() >= BYTES_MAX {
                    self.left.push((light.uid.0, high));
                    return;
                }
                let Some(seq) = selected.uids.seq(light.uid.0) else { continue };
                self.found = self.found.saturating_add(1);
                if light.modseq.0 > self.changed_since {
                    self.light(lights, &light, seq, out);
                }
            }
        }
    }

    fn light(&self, lights: &Lights, light: &Light, seq: u32, out: &mut Out) {
        out.text("* ");
        out.number(seq.into());
        out.text(" FETCH ");
        let mut between = b'(';
        for attribute in &self.attributes {
            out.byte(between);
            between = b' ';
            match attribute {
                Attribute::Flags => {
                    out.text("FLAGS ");
                    flags::write(light.flags, lights.keywords(light), out);
                }
                Attribute::Size => {
                    out.text("RFC822.SIZE ");
                    out.number(light.size.into());
                }
                Attribute::ModSeq => {
                    out.text("MODSEQ (");
                    out.number(light.modseq.0);
                    out.byte(b')');
                }
                Attribute::EmailId => out.format(format_args!("EMAILID ({})", content_id(light.content))),
                // Nothing else is light.
                _ => uid(light.uid, out),
            }
        }
        out.text(")\r\n");
    }
}
