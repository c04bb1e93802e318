// The motifs of the factors that regulate genes whose proteins take part in a pathway (in it itself).
// parameters: pathway
// columns: motif, name, family, class, species, width
MATCH (f:Gene)-[:TARGETS]->(:Gene)-[:ENCODES]->(:Protein)-[:PARTICIPATES_IN]->(p:Pathway)
WHERE p.id = $pathway
MATCH (f)-[:ENCODES]->(:Protein)-[:HAS_MOTIF]->(m:Motif)
RETURN DISTINCT m.id AS motif, m.name AS name, m.family AS family, m.class AS class, m.species AS species,
  m.width AS width
