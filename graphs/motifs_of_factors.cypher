// The motifs of some transcription factors, by symbol.
// parameters: factors
// columns: motif, name, family, class, species, width
MATCH (g:Gene)-[:ENCODES]->(:Protein)-[:HAS_MOTIF]->(m:Motif)
WHERE g.symbol IN $factors
RETURN DISTINCT m.id AS motif, m.name AS name, m.family AS family, m.class AS class, m.species AS species,
  m.width AS width
