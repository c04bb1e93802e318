// Every gene with its present symbol.
// columns: gene, symbol
MATCH (g:Gene)
RETURN g.id AS gene, g.symbol AS symbol
