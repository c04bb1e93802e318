// The motifs of a species, such as Homo sapiens.
// parameters: species
// columns: motif, name, family, class, species, width
MATCH (m:Motif)
WHERE m.species CONTAINS $species
RETURN m.id AS motif, m.name AS name, m.family AS family, m.class AS class, m.species AS species, m.width AS width
