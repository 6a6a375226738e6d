"""Who may do what: principals, how they prove who they are, and what keeps strangers' pages from acting for them."""
