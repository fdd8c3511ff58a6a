// What the cells of a synthesised ECP5 netlist do, for simulating the netlist itself: Lattice FPGA-TN-02204 (memory) and
// FPGA-DS-02012 (logic). One clock; a block RAM that is written where it is read in the same clock gives the old word.

module LUT4 #(parameter [15:0] INIT = 16'h0) (input A, B, C, D, output Z);
  assign Z = INIT[{D, C, B, A}];
endmodule

module PFUMX (input ALUT, BLUT, C0, output Z);
  assign Z = C0 ? ALUT : BLUT;
endmodule

module L6MUX21 (input D0, D1, SD, output Z);
  assign Z = SD ? D1 : D0;
endmodule

// Two bits of a carry chain: each LUT gives the propagate bit, the LUT of its inputs A and B alone the generate bit.
module CCU2C #(
  parameter [15:0] INIT0 = 16'h0,
  parameter [15:0] INIT1 = 16'h0,
  parameter INJECT1_0 = "YES",
  parameter INJECT1_1 = "YES"
) (
  input CIN, A0, B0, C0, D0, A1, B1, C1, D1,
  output S0, S1, COUT
);
  wire propagate_0 = INIT0[{D0, C0, B0, A0}];
  wire propagate_1 = INIT1[{D1, C1, B1, A1}];
  wire generate_0 = INJECT1_0 == "YES" ? 1'b0 : INIT0[{2'b0, B0, A0}];
  wire generate_1 = INJECT1_1 == "YES" ? 1'b0 : INIT1[{2'b0, B1, A1}];
  wire carry = propagate_0 ? CIN : generate_0;
  assign S0 = propagate_0 ^ (INJECT1_0 == "YES" ? 1'b0 : CIN);
  assign S1 = propagate_1 ^ (INJECT1_1 == "YES" ? 1'b0 : carry);
  assign COUT = propagate_1 ? carry : generate_1;
endmodule

module TRELLIS_FF #(
  parameter GSR = "ENABLED",
  parameter CEMUX = "1",
  parameter CLKMUX = "CLK",
  parameter LSRMUX = "LSR",
  parameter SRMODE = "LSR_OVER_CE",
  parameter REGSET = "RESET"
) (input CLK, CE, LSR, DI, output reg Q);
  localparam START = REGSET == "SET" ? 1'b1 : 1'b0;
  wire enable = CEMUX == "1" ? 1'b1 : CEMUX == "0" ? 1'b0 : CEMUX == "INV" ? ~CE : CE;
  wire set = LSRMUX == "INV" ? ~LSR : LSR;
  initial Q = START;
  always @(posedge CLK)
    if (set) Q <= START;
    else if (enable) Q <= DI;
endmodule

module TRELLIS_DPR16X4 #(
  parameter WCKMUX = "WCK",
  parameter WREMUX = "WRE",
  parameter [63:0] INITVAL = 64'h0
) (input [3:0] DI, WAD, RAD, input WRE, WCK, output [3:0] DO);
  reg [3:0] memory[0:15];
  integer i;
  initial for (i = 0; i < 16; i = i + 1) memory[i] = INITVAL[4 * i +: 4];
  wire enable = WREMUX == "1" ? 1'b1 : WREMUX == "0" ? 1'b0 : WREMUX == "INV" ? ~WRE : WRE;
  always @(posedge WCK) if (enable) memory[WAD] <= DI;
  assign DO = memory[RAD];
endmodule

// 1,024 words of 18 bits. Narrow ports count bits within the 8 or 9 of a half, those of 36 bits are both halves of two
// words. From 18 bits on the lowest address bits are byte enables of the write port.
module DP16KD #(
  parameter DATA_WIDTH_A = 18,
  parameter DATA_WIDTH_B = 18,
  parameter REGMODE_A = "NOREG",
  parameter REGMODE_B = "NOREG",
  parameter WRITEMODE_A = "NORMAL",
  parameter WRITEMODE_B = "NORMAL",
  parameter RESETMODE = "SYNC",
  parameter ASYNC_RESET_RELEASE = "SYNC",
  parameter CSDECODE_A = "0b000",
  parameter CSDECODE_B = "0b000",
  parameter CLKAMUX = "CLKA",
  parameter CLKBMUX = "CLKB",
  parameter GSR = "AUTO",
  parameter [319:0] INITVAL_00 = 320'h0,
  parameter [319:0] INITVAL_01 = 320'h0,
  parameter [319:0] INITVAL_02 = 320'h0,
  parameter [319:0] INITVAL_03 = 320'h0,
  parameter [319:0] INITVAL_04 = 320'h0,
  parameter [319:0] INITVAL_05 = 320'h0,
  parameter [319:0] INITVAL_06 = 320'h0,
  parameter [319:0] INITVAL_07 = 320'h0,
  parameter [319:0] INITVAL_08 = 320'h0,
  parameter [319:0] INITVAL_09 = 320'h0,
  parameter [319:0] INITVAL_0A = 320'h0,
  parameter [319:0] INITVAL_0B = 320'h0,
  parameter [319:0] INITVAL_0C = 320'h0,
  parameter [319:0] INITVAL_0D = 320'h0,
  parameter [319:0] INITVAL_0E = 320'h0,
  parameter [319:0] INITVAL_0F = 320'h0,
  parameter [319:0] INITVAL_10 = 320'h0,
  parameter [319:0] INITVAL_11 = 320'h0,
  parameter [319:0] INITVAL_12 = 320'h0,
  parameter [319:0] INITVAL_13 = 320'h0,
  parameter [319:0] INITVAL_14 = 320'h0,
  parameter [319:0] INITVAL_15 = 320'h0,
  parameter [319:0] INITVAL_16 = 320'h0,
  parameter [319:0] INITVAL_17 = 320'h0,
  parameter [319:0] INITVAL_18 = 320'h0,
  parameter [319:0] INITVAL_19 = 320'h0,
  parameter [319:0] INITVAL_1A = 320'h0,
  parameter [319:0] INITVAL_1B = 320'h0,
  parameter [319:0] INITVAL_1C = 320'h0,
  parameter [319:0] INITVAL_1D = 320'h0,
  parameter [319:0] INITVAL_1E = 320'h0,
  parameter [319:0] INITVAL_1F = 320'h0,
  parameter [319:0] INITVAL_20 = 320'h0,
  parameter [319:0] INITVAL_21 = 320'h0,
  parameter [319:0] INITVAL_22 = 320'h0,
  parameter [319:0] INITVAL_23 = 320'h0,
  parameter [319:0] INITVAL_24 = 320'h0,
  parameter [319:0] INITVAL_25 = 320'h0,
  parameter [319:0] INITVAL_26 = 320'h0,
  parameter [319:0] INITVAL_27 = 320'h0,
  parameter [319:0] INITVAL_28 = 320'h0,
  parameter [319:0] INITVAL_29 = 320'h0,
  parameter [319:0] INITVAL_2A = 320'h0,
  parameter [319:0] INITVAL_2B = 320'h0,
  parameter [319:0] INITVAL_2C = 320'h0,
  parameter [319:0] INITVAL_2D = 320'h0,
  parameter [319:0] INITVAL_2E = 320'h0,
  parameter [319:0] INITVAL_2F = 320'h0,
  parameter [319:0] INITVAL_30 = 320'h0,
  parameter [319:0] INITVAL_31 = 320'h0,
  parameter [319:0] INITVAL_32 = 320'h0,
  parameter [319:0] INITVAL_33 = 320'h0,
  parameter [319:0] INITVAL_34 = 320'h0,
  parameter [319:0] INITVAL_35 = 320'h0,
  parameter [319:0] INITVAL_36 = 320'h0,
  parameter [319:0] INITVAL_37 = 320'h0,
  parameter [319:0] INITVAL_38 = 320'h0,
  parameter [319:0] INITVAL_39 = 320'h0,
  parameter [319:0] INITVAL_3A = 320'h0,
  parameter [319:0] INITVAL_3B = 320'h0,
  parameter [319:0] INITVAL_3C = 320'h0,
  parameter [319:0] INITVAL_3D = 320'h0,
  parameter [319:0] INITVAL_3E = 320'h0,
  parameter [319:0] INITVAL_3F = 320'h0
) (
  input CLKA, CEA, OCEA, WEA, RSTA, CSA0, CSA1, CSA2,
  input CLKB, CEB, OCEB, WEB, RSTB, CSB0, CSB1, CSB2,
  input ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
  input ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
  input DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13,
  DIA14, DIA15, DIA16, DIA17,
  input DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13,
  DIB14, DIB15, DIB16, DIB17,
  output DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13,
  DOA14, DOA15, DOA16, DOA17,
  output DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13,
  DOB14, DOB15, DOB16, DOB17
);
  reg [17:0] memory[0:1023];
  integer i;
  initial
    for (i = 0; i < 16; i = i + 1) begin
      memory[0 + i] = INITVAL_00[20 * i +: 18];
      memory[16 + i] = INITVAL_01[20 * i +: 18];
      memory[32 + i] = INITVAL_02[20 * i +: 18];
      memory[48 + i] = INITVAL_03[20 * i +: 18];
      memory[64 + i] = INITVAL_04[20 * i +: 18];
      memory[80 + i] = INITVAL_05[20 * i +: 18];
      memory[96 + i] = INITVAL_06[20 * i +: 18];
      memory[112 + i] = INITVAL_07[20 * i +: 18];
      memory[128 + i] = INITVAL_08[20 * i +: 18];
      memory[144 + i] = INITVAL_09[20 * i +: 18];
      memory[160 + i] = INITVAL_0A[20 * i +: 18];
      memory[176 + i] = INITVAL_0B[20 * i +: 18];
      memory[192 + i] = INITVAL_0C[20 * i +: 18];
      memory[208 + i] = INITVAL_0D[20 * i +: 18];
      memory[224 + i] = INITVAL_0E[20 * i +: 18];
      memory[240 + i] = INITVAL_0F[20 * i +: 18];
      memory[256 + i] = INITVAL_10[20 * i +: 18];
      memory[272 + i] = INITVAL_11[20 * i +: 18];
      memory[288 + i] = INITVAL_12[20 * i +: 18];
      memory[304 + i] = INITVAL_13[20 * i +: 18];
      memory[320 + i] = INITVAL_14[20 * i +: 18];
      memory[336 + i] = INITVAL_15[20 * i +: 18];
      memory[352 + i] = INITVAL_16[20 * i +: 18];
      memory[368 + i] = INITVAL_17[20 * i +: 18];
      memory[384 + i] = INITVAL_18[20 * i +: 18];
      memory[400 + i] = INITVAL_19[20 * i +: 18];
      memory[416 + i] = INITVAL_1A[20 * i +: 18];
      memory[432 + i] = INITVAL_1B[20 * i +: 18];
      memory[448 + i] = INITVAL_1C[20 * i +: 18];
      memory[464 + i] = INITVAL_1D[20 * i +: 18];
      memory[480 + i] = INITVAL_1E[20 * i +: 18];
      memory[496 + i] = INITVAL_1F[20 * i +: 18];
      memory[512 + i] = INITVAL_20[20 * i +: 18];
      memory[528 + i] = INITVAL_21[20 * i +: 18];
      memory[544 + i] = INITVAL_22[20 * i +: 18];
      memory[560 + i] = INITVAL_23[20 * i +: 18];
      memory[576 + i] = INITVAL_24[20 * i +: 18];
      memory[592 + i] = INITVAL_25[20 * i +: 18];
      memory[608 + i] = INITVAL_26[20 * i +: 18];
      memory[624 + i] = INITVAL_27[20 * i +: 18];
      memory[640 + i] = INITVAL_28[20 * i +: 18];
      memory[656 + i] = INITVAL_29[20 * i +: 18];
      memory[672 + i] = INITVAL_2A[20 * i +: 18];
      memory[688 + i] = INITVAL_2B[20 * i +: 18];
      memory[704 + i] = INITVAL_2C[20 * i +: 18];
      memory[720 + i] = INITVAL_2D[20 * i +: 18];
      memory[736 + i] = INITVAL_2E[20 * i +: 18];
      memory[752 + i] = INITVAL_2F[20 * i +: 18];
      memory[768 + i] = INITVAL_30[20 * i +: 18];
      memory[784 + i] = INITVAL_31[20 * i +: 18];
      memory[800 + i] = INITVAL_32[20 * i +: 18];
      memory[816 + i] = INITVAL_33[20 * i +: 18];
      memory[832 + i] = INITVAL_34[20 * i +: 18];
      memory[848 + i] = INITVAL_35[20 * i +: 18];
      memory[864 + i] = INITVAL_36[20 * i +: 18];
      memory[880 + i] = INITVAL_37[20 * i +: 18];
      memory[896 + i] = INITVAL_38[20 * i +: 18];
      memory[912 + i] = INITVAL_39[20 * i +: 18];
      memory[928 + i] = INITVAL_3A[20 * i +: 18];
      memory[944 + i] = INITVAL_3B[20 * i +: 18];
      memory[960 + i] = INITVAL_3C[20 * i +: 18];
      memory[976 + i] = INITVAL_3D[20 * i +: 18];
      memory[992 + i] = INITVAL_3E[20 * i +: 18];
      memory[1008 + i] = INITVAL_3F[20 * i +: 18];
    end

  wire [13:0] address_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3,
  ADA2, ADA1, ADA0};
  wire [13:0] address_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3,
  ADB2, ADB1, ADB0};
  wire [17:0] data_a = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8,
  DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
  wire [17:0] data_b = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8,
  DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
  wire [35:0] found_a, found_b;
  wire [17:0] mask_a, mask_b, place_a, place_b;
  DP16KD_PORT #(.WIDTH(DATA_WIDTH_A)) port_a (
    .address(address_a), .low(memory[{address_a[13:5], DATA_WIDTH_A != 36 && address_a[4]}]),
    .high(memory[{address_a[13:5], 1'b1}]), .data(data_a), .found(found_a), .mask(mask_a), .place(place_a)
  );
  DP16KD_PORT #(.WIDTH(DATA_WIDTH_B)) port_b (
    .address(address_b), .low(memory[{address_b[13:5], DATA_WIDTH_B != 36 && address_b[4]}]),
    .high(memory[{address_b[13:5], 1'b1}]), .data(data_b), .found(found_b), .mask(mask_b), .place(place_b)
  );
  wire [17:0] mask_high = {{9{address_a[3]}}, {9{address_a[2]}}};

  reg [17:0] latch_a = 18'h0, latch_b = 18'h0, register_a = 18'h0, register_b = 18'h0;
  always @(posedge CLKA) begin
    if (CEA && WEA) begin
      memory[{address_a[13:5], DATA_WIDTH_A != 36 && address_a[4]}] <=
          (DATA_WIDTH_A == 36 ? memory[{address_a[13:5], 1'b0}] : found_a_word) & ~mask_a | place_a & mask_a;
      if (DATA_WIDTH_A == 36)
        memory[{address_a[13:5], 1'b1}] <= memory[{address_a[13:5], 1'b1}] & ~mask_high | data_b & mask_high;
    end
    if (CEB && WEB)
      memory[address_b[13:4]] <= memory[address_b[13:4]] & ~mask_b | place_b & mask_b;
    if (DATA_WIDTH_B == 36) begin
      if (CEB) {latch_b, latch_a} <= found_b;
    end else begin
      if (CEA && !(WEA && WRITEMODE_A == "NORMAL")) latch_a <= found_a[17:0];
      if (CEB && !(WEB && WRITEMODE_B == "NORMAL")) latch_b <= found_b[17:0];
    end
    if (DATA_WIDTH_B == 36 ? OCEB : OCEA) register_a <= latch_a;
    if (OCEB) register_b <= latch_b;
  end
  wire [17:0] found_a_word = memory[address_a[13:4]];
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
  DOA4, DOA3, DOA2, DOA1, DOA0} = REGMODE_A == "OUTREG" ? register_a : latch_a;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
  DOB4, DOB3, DOB2, DOB1, DOB0} = REGMODE_B == "OUTREG" ? register_b : latch_b;
endmodule

// What a port of a width makes of an address: the bits that are read, and mask and place of those that are written.
module DP16KD_PORT #(parameter WIDTH = 18) (
  input [13:0] address,
  input [17:0] low, high, data,
  output [35:0] found,
  output [17:0] mask, place
);
  wire [4:0] shift = WIDTH >= 18 ? 5'd0 : (address[3] ? 5'd9 : 5'd0) + (
      WIDTH == 9 ? 5'd0 : WIDTH == 4 ? {2'd0, address[2], 2'd0} : WIDTH == 2 ? {2'd0, address[2:1], 1'd0}
      : {2'd0, address[2:0]});
  localparam [17:0] ONES = WIDTH >= 18 ? 18'h3ffff : (18'h1 << WIDTH) - 18'h1;
  wire [17:0] shifted = low >> shift & ONES;
  assign found = WIDTH == 36 ? {high, low} : {18'h0, shifted};
  assign mask = WIDTH >= 18 ? {{9{address[1]}}, {9{address[0]}}} : ONES << shift;
  assign place = WIDTH >= 18 ? data : (data & ONES) << shift;
endmodule
