//! Initial packets of the RFCs' appendices, and what capture makes of them.
