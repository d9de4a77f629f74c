"""Names in a store of halos: what its writer and its readers agree on."""

FORMAT = "diffsky_factory halos"
INDEX_ORDER = 8  # HEALPix order at which a store of a light cone knows the rows of each pixel
CHUNK = 2**16  # rows of a chunk
GROUP_CELL = "index/group_cell"  # per row: order-29 pixel of the host, or cell of a box; ascending
OCCUPIED = "index/pixel"  # pixels of INDEX_ORDER that hold groups, ascending
FIRST_ROW = "index/row_start"  # first row of each, and the number of rows at the end
