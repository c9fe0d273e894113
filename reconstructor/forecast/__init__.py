"""What the last hold's crystal foretells of the present scan: where its pattern lies now, how well it is borne out."""
