// The motifs of some families of transcription factors, as the source names them; those of dimers have two.
// parameters: families
// columns: motif, name, family, class, species, width
UNWIND $families AS wanted
MATCH (m:Motif)
WHERE m.family CONTAINS wanted
RETURN DISTINCT m.id AS motif, m.name AS name, m.family AS family, m.class AS class, m.species AS species,
  m.width AS width
