// The motifs of the factors that regulate genes of a term or pathway (annotated to it itself).
// parameters: term
// columns: motif, name, family, class, species, width
MATCH (f:Gene)-[:TARGETS]->(g:Gene)-[:ANNOTATED_TO]->(t:Term)
WHERE t.id = $term
MATCH (f)-[:ENCODES]->(:Protein)-[:HAS_MOTIF]->(m:Motif)
RETURN DISTINCT m.id AS motif, m.name AS name, m.family AS family, m.class AS class, m.species AS species,
  m.width AS width
