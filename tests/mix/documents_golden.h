/* documents_golden.h - rows { length, BLAKE2b-256 } of the documents of consensus_test.c, in its order. */
    { 312, "915c297bf6c2f7fccaf183ed94b3451a3043a8328ecb7140069ef016f175d73d" },
    { 326, "8af5eec47453e996b198acd03e4f08a4c8408d637646e469bd710c538ee9f32b" },
    { 171, "9a6a0c3770e6b2592b04bbcad78f0cfc873c83bfdfa2fcaee1cc63a150c31d24" },
    { 1817, "aeca3e2ce1374189f8aa3d962aac5941f43574991b23fc3f6029cbeb3902602c" },
    { 338, "30146e6544e3c46275859da6839ea0ba54eca76dfd65c8773a116d1be9c611e9" },
    { 235, "bc71872b92319ed0bf1acf0e083a8e8fce7e02e44d286d6d912e2951b093d174" },
