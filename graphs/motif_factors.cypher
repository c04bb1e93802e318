// Which genes encode the proteins that bind some motifs.
// parameters: motifs
// columns: motif, gene, symbol
MATCH (g:Gene)-[:ENCODES]->(:Protein)-[:HAS_MOTIF]->(m:Motif)
WHERE m.id IN $motifs
RETURN DISTINCT m.id AS motif, g.id AS gene, g.symbol AS symbol
