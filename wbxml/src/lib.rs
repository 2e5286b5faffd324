//! WBXML 1.3 with the ActiveSync code pages.
