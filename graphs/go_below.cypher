// A term of the Gene Ontology and all terms below it, by is_a and part_of.
// parameters: root
// columns: id, label
MATCH (t:Term)
WHERE t.id = $root
RETURN t.id AS id, t.name AS label
UNION
MATCH (t:Term)-[:IS_A|PART_OF*1..25]->(r:Term)
WHERE r.id = $root
RETURN DISTINCT t.id AS id, t.name AS label
